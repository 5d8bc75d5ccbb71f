package org.blktap.core;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.Errno;
import org.blktap.linux.FileStatus;
import org.blktap.linux.Libc;
import org.blktap.linux.PinnedFile;
import org.blktap.linux.User;
import org.blktap.linux.WholeFile;

/**
 * The files that one creation makes, without names until all are complete, or under names of their own where the file
 * system cannot do that: a half-written image is never found under the final name, and of a process that is killed
 * nothing is left. They are held from their making on: in a directory of others, a name is worth nothing.
 */
final class NewFiles {
    private static final int MODE = 0666;

    private final List<Made> made = new ArrayList<>();
    private final boolean unnamed;
    /** A file that is made once more, and keeps its name; null for none. */
    private Made again;

    /** Makes files that have no name until they are complete, where the file system can. */
    NewFiles() {
        this(true);
    }

    /** @param unnamed false to give them temporary names */
    NewFiles(boolean unnamed) {
        this.unnamed = unnamed;
    }

    /** @param temporary its present name, or null if it has none */
    private record Made(Path path, Path temporary, PinnedFile file) {}

    /**
     * Has {@link #create} empty a file that is there, in place of a new one.
     *
     * @param file closed with the others
     */
    void again(Path path, PinnedFile file) {
        again = new Made(path, null, file);
    }

    /** Makes an empty file for what will have this path. */
    PinnedFile create(Path path) throws DiskException {
        if (again != null && again.path().equals(path)) {
            return emptied();
        }
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            throw exists(path);
        }
        Path temporary = null;
        PinnedFile file;
        try {
            file = unnamed ? PinnedFile.createUnnamed(path.toAbsolutePath().getParent(), MODE) : null;
            if (file == null) {
                temporary = UnfinishedFiles.name(path);
                file = PinnedFile.create(temporary, MODE);
            }
        } catch (DiskException e) {
            throw switch (e.reason()) {
                case NOT_FOUND -> new DiskException(Reason.NOT_FOUND, FileNames.text(path) + ": no such directory");
                case PERMISSION ->
                    new DiskException(
                            Reason.PERMISSION,
                            FileNames.text(path) + ": no permission to create it, as the user " + User.effective());
                default -> e;
            };
        }
        if (temporary != null && made.isEmpty()) {
            UnfinishedFiles.removeLeftOver(temporary);
        }
        made.add(new Made(path, temporary, file));
        return file;
    }

    private PinnedFile emptied() throws DiskException {
        Made there = again;
        int fd = there.file().reopen(Libc.O_RDWR);
        int error = fd < 0 || Libc.ftruncate(fd, 0) != 0 ? Libc.errno() : 0;
        if (fd >= 0) {
            Libc.close(fd);
        }
        if (error != 0) {
            throw new DiskException(Reason.IO, FileNames.text(there.path()) + ": cannot empty: " + Errno.text(error));
        }
        made.add(there);
        again = null;
        return there.file();
    }

    /** The new file that will have a path, or null. */
    PinnedFile get(Path path) {
        for (Made each : made) {
            if (each.path().equals(path)) {
                return each.file();
            }
        }
        return null;
    }

    /** Gives all files their names, unless others have taken them meanwhile: all or none. */
    void nameAll() throws DiskException {
        List<Path> named = new ArrayList<>();
        try {
            // the first is what names the others
            for (int i = made.size() - 1; i >= 0; i--) {
                Made each = made.get(i);
                if (i > 0) {
                    Ownership.mark(each.file(), made.get(0).path());
                }
                name(each);
                named.add(each.path());
                WholeFile.syncDirectory(each.path().toAbsolutePath().getParent());
            }
        } catch (IOException e) {
            named.forEach(NewFiles::remove);
            throw DiskException.io(made.get(0).path(), "give the new image its name", e);
        } catch (DiskException e) {
            named.forEach(NewFiles::remove);
            throw e;
        }
        close();
    }

    /**
     * Names the only file that was made, with a mark by which a restart knows it.
     *
     * @throws DiskException UNSUPPORTED if there are several
     */
    FileStatus nameMarked(String mark) throws DiskException {
        if (made.size() != 1) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    made.isEmpty()
                            ? "no file was made"
                            : made.get(0).path() + ": an overlay of a disk in use is one file, not " + made.size());
        }
        PinnedFile file = made.get(0).file();
        file.attribute(SnapshotJournal.ATTRIBUTE, mark.getBytes(StandardCharsets.US_ASCII));
        FileStatus status = file.status();
        nameAll();
        return status;
    }

    /** Removes a file if it is the one that is meant; durable when this returns. */
    static void removeIf(Path path, Predicate<FileStatus> meant) throws DiskException {
        try (PinnedFile found = PinnedFile.ofName(path)) {
            if (meant.test(found.status())) {
                WholeFile.remove(path);
            }
        } catch (DiskException e) {
            if (e.reason() != Reason.NOT_FOUND) {
                throw e;
            }
        } catch (IOException e) {
            throw DiskException.io(path, "remove it", e);
        }
    }

    private static void name(Made each) throws DiskException, IOException {
        int error = each.file().link(each.path());
        if (error == Errno.EEXIST) {
            throw exists(each.path());
        }
        if (error == 0) {
            if (each.temporary() != null) {
                Files.deleteIfExists(each.temporary());
            }
            return;
        }
        if (each.temporary() == null) {
            throw new DiskException(
                    error == Errno.ENOENT ? Reason.NOT_FOUND : Reason.IO,
                    each.path() + ": cannot give the new image its name: " + Errno.text(error));
        }
        if (error == Errno.ENOENT || !isStill(each)) {
            throw new DiskException(Reason.NOT_FOUND, each.path() + ": was removed while it was made");
        }
        // a file system without hard links
        if (Files.exists(each.path(), LinkOption.NOFOLLOW_LINKS)) {
            throw exists(each.path());
        }
        Files.move(each.temporary(), each.path());
    }

    private static boolean isStill(Made each) throws DiskException {
        try (PinnedFile now = PinnedFile.ofName(each.temporary())) {
            return now.status().sameFile(each.file().status());
        }
    }

    /** Removes what was made, after a failure. */
    void undo() {
        made.stream().map(Made::temporary).filter(Objects::nonNull).forEach(NewFiles::remove);
        close();
    }

    private void close() {
        made.forEach(each -> each.file().close());
        made.clear();
        if (again != null) {
            again.file().close();
            again = null;
        }
    }

    private static void remove(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            System.getLogger("org.blktap.core")
                    .log(System.Logger.Level.WARNING, path + ": could not be removed after a failed creation: " + e);
        }
    }

    private static DiskException exists(Path path) {
        return new DiskException(Reason.EXISTS, FileNames.text(path) + ": exists already; remove it first");
    }
}
