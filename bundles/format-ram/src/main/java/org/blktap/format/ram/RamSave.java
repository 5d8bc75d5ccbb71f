package org.blktap.format.ram;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.memory.NativeBuffer;

/** Writes a RAM disk to a raw file, which has its name only when it is complete and on disk. */
final class RamSave {
    private static final int PIECE = 1 << 20;

    private RamSave() {
    }

    static void to(Path file, NativeBuffer memory) throws DiskException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new DiskException(DiskException.Reason.WRONG_TYPE, file + ": is not a regular file, and is not replaced by the RAM disk");
        }
        Path temporary = file.resolveSibling(FileNames.path("." + FileNames.text(file.getFileName()) + ".new"));
        try {
            try (FileChannel channel = create(temporary)) {
                write(channel, memory);
                channel.force(true);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            try (FileChannel directory = FileChannel.open(file.toAbsolutePath().getParent())) {
                directory.force(true);
            }
        } catch (IOException e) {
            throw DiskException.io(file, "save the RAM disk", e);
        }
    }

    /**
     * A new file for the owner alone, in place of what an earlier save may have left. Never a file that is there, or one that a link leads to: others
     * may be able to write in the directory.
     */
    private static FileChannel create(Path temporary) throws IOException {
        Files.deleteIfExists(temporary);
        return FileChannel.open(temporary, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }

    /** Zeros become holes. */
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
