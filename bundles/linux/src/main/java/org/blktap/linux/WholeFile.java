package org.blktap.linux;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.blktap.api.disk.FileNames;

/**
 * Files that are complete under their name or not there at all, also after a power cut: they are written as
 * {@code .<name>.new} beside it, flushed and renamed, and the directory is flushed. An old file of either name is never
 * written to, and no link is followed: others may be able to write in the directory. Any thread, but one at a time for
 * each name.
 */
public final class WholeFile {
    private WholeFile() {}

    /** Writes the contents of a new file. */
    public interface Contents {
        void writeTo(FileChannel channel) throws IOException;
    }

    /** Writes a file of mode 0600. If that fails, the old file is still there. */
    public static void write(Path file, byte[] contents) throws IOException {
        write(file, channel -> {
            for (ByteBuffer rest = ByteBuffer.wrap(contents); rest.hasRemaining(); ) {
                channel.write(rest);
            }
        });
    }

    /** Writes as {@link #write(Path, byte[])} does, with contents of any length. */
    public static void write(Path file, Contents contents) throws IOException {
        Path temporary = temporary(file);
        replace(file, temporary, () -> writeTo(temporary, contents));
    }

    private static void writeTo(Path temporary, Contents contents) throws IOException {
        try (FileChannel channel = FileChannel.open(
                temporary,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
            contents.writeTo(channel);
            channel.force(true);
        }
    }

    /**
     * Writes a file that {@link Prepared#commit} gives its name: what takes longest is done before. No other write of
     * the name begins until then.
     */
    public static Prepared prepare(Path file, byte[] contents) throws IOException {
        Path temporary = temporary(file);
        forget(file);
        try {
            writeTo(temporary, channel -> {
                for (ByteBuffer rest = ByteBuffer.wrap(contents); rest.hasRemaining(); ) {
                    channel.write(rest);
                }
            });
        } catch (IOException | RuntimeException | Error e) {
            forget(file);
            throw e;
        }
        return new Prepared(file, temporary);
    }

    /** Removes what is prepared for a name, or was when the process was killed. */
    public static void forget(Path file) {
        Libc.unlink(PinnedFile.bytes(temporary(file)));
    }

    /**
     * Removes what was being written in a directory when the process was killed.
     *
     * @param directory one in which nobody else writes, and nothing is being written now; it need not be there
     */
    public static void removeUnfinished(Path directory) throws IOException {
        if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, ".*.new")) {
            for (Path each : files) {
                Libc.unlink(PinnedFile.bytes(each));
            }
        }
    }

    /** A file that is on disk under its temporary name. */
    public static final class Prepared implements AutoCloseable {
        private final Path file;
        private final Path temporary;
        private boolean named;

        private Prepared(Path file, Path temporary) {
            this.file = file;
            this.temporary = temporary;
        }

        /** Gives it its name, in place of an older file; durable when this returns. */
        public void commit() throws IOException {
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
            named = true;
            syncDirectory(file.toAbsolutePath().getParent());
        }

        /** Removes it, unless it has its name. */
        @Override
        public void close() {
            if (!named) {
                forget(file);
            }
        }
    }

    /** Copies a file; the copy has the mode of {@code source}. If it fails, the old file is still there. */
    public static void copy(Path source, Path file) throws IOException {
        Path temporary = temporary(file);
        replace(file, temporary, () -> {
            Files.copy(source, temporary);
            try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
                channel.force(true);
            }
        });
    }

    /** Removes a file, if it is there. */
    public static void remove(Path file) throws IOException {
        if (Files.deleteIfExists(file)) {
            syncDirectory(file.toAbsolutePath().getParent());
        }
    }

    /** Makes changes of a directory (files made, renamed, removed) survive power loss. */
    public static void syncDirectory(Path path) throws IOException {
        try (FileChannel directory = FileChannel.open(path, StandardOpenOption.READ)) {
            directory.force(true);
        }
    }

    private interface Writer {
        void write() throws IOException;
    }

    private static Path temporary(Path file) {
        return file.resolveSibling(FileNames.path("." + FileNames.text(file.getFileName()) + ".new"));
    }

    private static void replace(Path file, Path temporary, Writer writer) throws IOException {
        // removes what an earlier write has left; a directory of that name is not such a rest: it stays, and is
        // reported
        Libc.unlink(PinnedFile.bytes(temporary));
        try {
            writer.write();
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException | RuntimeException | Error e) {
            Libc.unlink(PinnedFile.bytes(temporary));
            throw e;
        }
        syncDirectory(file.toAbsolutePath().getParent());
    }
}
