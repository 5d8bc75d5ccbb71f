package org.blktap.api.engine;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/** One engine's queue on one loop. */
@ConsumerType
public interface IoQueue extends AutoCloseable {
    /**
     * Opens a regular file or block device. Any thread; may block.
     *
     * @param path opened as given; anything but a regular file or a block device is refused
     * @param writable for writing as well; a file that cannot be written is refused
     * @throws ErrnoException with a message that names the file: ENOENT; EACCES, EPERM or EROFS; EBUSY if another
     *     process uses it; EISDIR or ENOTBLK if it is neither a file nor a block device; or what the system says
     */
    IoFile open(Path path, boolean writable) throws IOException;

    /**
     * Opens the file that a descriptor refers to, even if its path has changed. Any thread; may block.
     *
     * @param path for messages, and for {@link IoFile#path}
     * @param descriptor of any kind, also one that can neither read nor write; it stays the caller's
     * @throws ErrnoException as {@link #open(Path, boolean)}
     */
    default IoFile open(Path path, int descriptor, boolean writable) throws IOException {
        return open(Path.of("/proc/self/fd/" + descriptor), writable);
    }

    /**
     * Opens a file that files of this queue may have open already, as {@link #open(Path, int, boolean)} does. Their
     * locks do not count, and stay. At each moment, other processes meet the lock of one or the other. Any thread; may
     * block.
     *
     * @param own files of this queue, perhaps closed meanwhile
     */
    default IoFile open(Path path, int descriptor, boolean writable, List<IoFile> own) throws IOException {
        return open(path, descriptor, writable);
    }

    /** Ends the queue; its files are closed before, nothing is in flight. Loop only. */
    @Override
    void close();
}
