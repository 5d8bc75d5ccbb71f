package org.blktap.linux;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/** Small files that are complete under their name or not there at all, also after a power cut. */
public final class WholeFile {
    private WholeFile() {
    }

    /**
     * Writes a file of mode 0600 under another name, and renames it. Neither name's old file is written to, nor what a link leads to: others may be able
     * to write in the directory.
     *
     * @param temporary beside the file; what an earlier write has left there is removed
     */
    public static void write(Path file, Path temporary, byte[] contents) throws IOException {
        // a directory of the name is nobody's left-over: it stays, and is reported
        Libc.unlink(PinnedFile.bytes(temporary));
        try (FileChannel channel = FileChannel.open(temporary, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
            for (ByteBuffer rest = ByteBuffer.wrap(contents); rest.hasRemaining(); ) {
                channel.write(rest);
            }
            channel.force(true);
        }
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        syncDirectory(file.toAbsolutePath().getParent());
    }

    /** Makes what was made, renamed or removed in a directory survive power loss. */
    public static void syncDirectory(Path path) throws IOException {
        try (FileChannel directory = FileChannel.open(path, StandardOpenOption.READ)) {
            directory.force(true);
        }
    }
}
