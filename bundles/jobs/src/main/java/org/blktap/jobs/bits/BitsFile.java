package org.blktap.jobs.bits;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.Errno;
import org.blktap.linux.Libc;
import org.blktap.linux.ProcFile;
import org.blktap.linux.WholeFile;

/** Writes files of bitmaps. */
final class BitsFile {
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");
    private static final int CHUNK_BYTES = 1 << 16;

    private BitsFile() {}

    /** The bits of a new file. */
    interface Words {
        long word(long index);
    }

    static void write(Path file, BitsHeader header, int flags, String boot, Words source) throws DiskException {
        try {
            WholeFile.write(file, channel -> {
                writeAll(channel, ByteBuffer.wrap(header.bytes(flags, boot)));
                ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
                for (long word = 0; word < header.words(); ) {
                    chunk.clear();
                    while (word < header.words() && chunk.hasRemaining()) {
                        chunk.putLong(source.word(word++));
                    }
                    chunk.flip();
                    writeAll(channel, chunk);
                }
            });
        } catch (IOException e) {
            throw DiskException.io(file, "write the bitmap", e);
        }
    }

    private static void writeAll(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    static String bootId() throws DiskException {
        try {
            return ProcFile.read(BOOT_ID);
        } catch (IOException e) {
            throw DiskException.io(BOOT_ID, "read the kernel's boot id", e);
        }
    }

    static void sync(Path file, int fd) throws DiskException {
        if (Libc.fdatasync(fd) != 0) {
            throw failed(file, "write the bitmap", Libc.errno());
        }
    }

    static DiskException failed(Path file, String doing, int errno) {
        return DiskException.io(file, doing, new IOException(Errno.text(errno)));
    }
}
