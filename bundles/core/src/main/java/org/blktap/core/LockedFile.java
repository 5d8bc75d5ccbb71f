package org.blktap.core;

import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.linux.FileLock;
import org.blktap.linux.Libc;
import org.blktap.linux.PinnedFile;

/**
 * The file that a simple driver opens by itself, locked as all images are, so that a second writer is refused. The lock
 * is on a descriptor of its own and ends with it.
 */
final class LockedFile implements AutoCloseable {
    private final Path path;
    private final int fd;

    private LockedFile(Path path, int fd) {
        this.path = path;
        this.fd = fd;
    }

    /**
     * Opens a file or block device; null if it is neither, or may not be read: then the driver says what is wrong, or
     * means something else.
     */
    static LockedFile of(Path path, PinnedFile file) {
        if (!file.status().regularFile() && !file.status().blockDevice()) {
            return null;
        }
        int fd = file.reopen(Libc.O_RDONLY | Libc.O_NONBLOCK | Libc.O_NOCTTY);
        return fd < 0 ? null : new LockedFile(path, fd);
    }

    /** Locks for reading, or for writing as well. */
    void lock(boolean writable) throws DiskException {
        if (!FileLock.acquire(fd, writable)) {
            throw new DiskException(
                    Reason.BUSY,
                    FileNames.text(path) + ": in use by another attachment or process"
                            + (writable ? "; it cannot be opened for writing" : ", which writes it"));
        }
    }

    /** Whether others let it be locked so. */
    boolean isFree(boolean writable) {
        return FileLock.isFree(fd, writable);
    }

    /** A path to this very file, as long as it is open. */
    String magicLink() {
        return "/proc/self/fd/" + fd;
    }

    @Override
    public void close() {
        Libc.close(fd);
    }
}
