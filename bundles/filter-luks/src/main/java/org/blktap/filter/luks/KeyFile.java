package org.blktap.filter.luks;

import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.Libc;
import org.blktap.linux.PinnedFile;

/**
 * Reads a key, all bytes of a file or descriptor, straight into native memory. A line break at the end belongs to it,
 * as for cryptsetup's {@code --key-file} and QEMU's {@code secret}.
 */
final class KeyFile {
    /** The most that cryptsetup reads (DEFAULT_KEYFILE_SIZE_MAXKB). */
    private static final int BYTES_MAX = 8 << 20;

    private KeyFile() {}

    /** Reads a regular file; a pipe or device could make the caller wait for ever. */
    static Secret read(Path file, NativeMemory memory) throws DiskException {
        String name = FileNames.text(file);
        int descriptor = Libc.openat(
                Libc.AT_FDCWD,
                PinnedFile.bytes(file),
                Libc.O_RDONLY | Libc.O_CLOEXEC | Libc.O_NOCTTY | Libc.O_NONBLOCK,
                0);
        if (descriptor < 0) {
            int errno = Libc.errno();
            throw new DiskException(
                    errno == Errno.ENOENT ? Reason.NOT_FOUND : errno == Errno.EACCES ? Reason.PERMISSION : Reason.IO,
                    "key file " + name + ": cannot open: " + Errno.text(errno));
        }
        try {
            if (!regular(descriptor)) {
                throw new DiskException(
                        Reason.WRONG_TYPE, "key file " + name + ": not a regular file; for a pipe there is key-fd");
            }
            return read("key file " + name, descriptor, 0, memory);
        } finally {
            Libc.close(descriptor);
        }
    }

    /**
     * Reads a descriptor of this process, which stays open. A regular file is read from its beginning, so that the disk
     * can be opened again; anything else can be read only once.
     */
    static Secret read(int descriptor, NativeMemory memory) throws DiskException {
        return read("key descriptor " + descriptor, descriptor, regular(descriptor) ? 0 : -1, memory);
    }

    /** Whether a descriptor can be read at an offset, again and again: lseek fails on pipes, sockets and terminals. */
    private static boolean regular(int descriptor) {
        return Libc.lseek(descriptor, 0, Libc.SEEK_CUR) >= 0;
    }

    /** @param from offset of the read, or -1 for the descriptor's position */
    private static Secret read(String name, int descriptor, long from, NativeMemory memory) throws DiskException {
        Secret key = Secret.ofZeros(memory, BYTES_MAX + 1);
        try (CloseOnFailure made = new CloseOnFailure(key::close)) {
            int length = 0;
            while (length <= BYTES_MAX) {
                long place = key.address() + length;
                long rest = BYTES_MAX + 1L - length;
                long read = from < 0
                        ? Libc.read(descriptor, place, rest)
                        : Libc.pread(descriptor, place, rest, from + length);
                int errno = Libc.errno();
                if (read == 0) {
                    break;
                }
                if (read > 0) {
                    length += (int) read;
                } else if (errno != Errno.EINTR) {
                    throw new DiskException(Reason.IO, name + ": cannot read: " + Errno.text(errno));
                }
            }
            if (length == 0 || length > BYTES_MAX) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        name
                                + (length == 0
                                        ? ": empty"
                                        : ": longer than the " + (BYTES_MAX >> 20) + " MiB that a key may have"));
            }
            key.shorten(length);
            return made.keep(key);
        }
    }
}
