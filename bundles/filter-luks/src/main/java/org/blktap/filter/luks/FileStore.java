package org.blktap.filter.luks;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.memory.NativeBuffer;

/** A detached header: a file that the operator names, which is only read. */
final class FileStore implements HeaderStore, AutoCloseable {
    private final String name;
    private final FileChannel channel;
    private final long size;

    FileStore(Path file) throws DiskException {
        name = FileNames.text(file);
        if (!Files.isRegularFile(file)) {
            // the opening of a pipe would wait for a writer
            throw new DiskException(
                    Files.exists(file) ? Reason.WRONG_TYPE : Reason.NOT_FOUND,
                    "detached header " + name + (Files.exists(file) ? ": not a regular file" : ": no such file"));
        }
        FileChannel opened = null;
        try {
            opened = FileChannel.open(file, StandardOpenOption.READ);
            size = opened.size();
            channel = opened;
        } catch (IOException e) {
            close(opened);
            throw DiskException.io(name, "open the detached header", e);
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public void read(long offset, NativeBuffer into, int bytes) throws DiskException {
        ByteBuffer rest = into.bytes(0, bytes);
        try {
            while (rest.hasRemaining()) {
                if (channel.read(rest, offset + rest.position()) < 0) {
                    throw new IOException("it has become shorter");
                }
            }
        } catch (IOException e) {
            throw DiskException.io(name, "read the detached header", e);
        }
    }

    @Override
    public void close() {
        close(channel);
    }

    private static void close(FileChannel channel) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            // it was only read
        }
    }
}
