package org.blktap.api.engine;

import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.osgi.annotation.versioning.ConsumerType;

/** One engine's queue on one loop. */
@ConsumerType
public interface IoQueue extends AutoCloseable {
    /**
     * Opens a regular file or block device. Any thread; may block.
     *
     * @param path opened as given; anything but a regular file or a block device is refused
     * @param writable for writing as well; a file that cannot be written is refused
     * @throws DiskException NOT_FOUND, PERMISSION, BUSY (in use by another process), WRONG_TYPE, IO
     */
    IoFile open(Path path, boolean writable) throws DiskException;

    /**
     * Opens the file that a descriptor refers to, even if its path has changed. Any thread; may block.
     *
     * @param path for messages, and for {@link IoFile#path}
     * @param descriptor of any kind, also one that can neither read nor write; it stays the caller's
     */
    default IoFile open(Path path, int descriptor, boolean writable) throws DiskException {
        return open(Path.of("/proc/self/fd/" + descriptor), writable);
    }

    /** Ends the queue; its files are closed before, nothing is in flight. Loop only. */
    @Override
    void close();
}
