package org.blktap.format.ram;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.WholeFile;

/** Writes a RAM disk to a raw file, which has its name only when it is complete and on disk. */
final class RamSave {
    private static final int PIECE = 1 << 20;

    private RamSave() {}

    static void to(Path file, NativeBuffer memory) throws DiskException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new DiskException(
                    DiskException.Reason.WRONG_TYPE,
                    file + ": is not a regular file, and is not replaced by the RAM disk");
        }
        try {
            WholeFile.write(file, channel -> write(channel, memory));
        } catch (IOException e) {
            throw DiskException.io(file, "save the RAM disk", e);
        }
    }

    /** Writes the contents; zeros become holes. */
    private static void write(FileChannel channel, NativeBuffer memory) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect(PIECE);
        for (long at = 0; at < memory.size(); at += PIECE) {
            int length = (int) Math.min(PIECE, memory.size() - at);
            ByteBuffer piece = memory.bytes(at, length);
            boolean last = at + length == memory.size();
            if (last || piece.mismatch(zeros.slice(0, length)) >= 0) {
                for (long to = at; piece.hasRemaining(); ) {
                    to += channel.write(piece, to);
                }
            }
        }
    }
}
