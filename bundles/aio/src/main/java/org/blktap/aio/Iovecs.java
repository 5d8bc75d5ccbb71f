package org.blktap.aio;

import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;
import org.blktap.linux.Libc;

/** Arrays of {@code struct iovec} in native memory. */
final class Iovecs {
    private Iovecs() {}

    /** Writes the pieces of bytes {@code [skip, skip + bytes)} of a list. Returns the number of iovecs. */
    static int fill(long vector, Segments data, long skip, long bytes) {
        int count = 0;
        for (int i = 0; bytes > 0; i++) {
            long length = data.length(i);
            if (skip >= length) {
                skip -= length;
                continue;
            }
            long part = Math.min(length - skip, bytes);
            long at = vector + (long) count++ * Libc.IOVEC_BYTES;
            Memory.putLong(at, data.address(i) + skip);
            Memory.putLong(at + Libc.IOVEC_LEN, part);
            bytes -= part;
            skip = 0;
        }
        return count;
    }

    /** Takes {@code moved} bytes off the beginning; emptied iovecs stay, with length 0. */
    static void advance(long vector, int count, long moved) {
        for (int i = 0; i < count && moved > 0; i++) {
            long at = vector + (long) i * Libc.IOVEC_BYTES;
            long length = Memory.getLong(at + Libc.IOVEC_LEN);
            long part = Math.min(length, moved);
            Memory.putLong(at, Memory.getLong(at) + part);
            Memory.putLong(at + Libc.IOVEC_LEN, length - part);
            moved -= part;
        }
    }

    /** Moves all bytes by blocking calls; a read past the end of the file gets zeros. Returns 0 or an errno. */
    static int transfer(int fd, boolean write, long vector, int count, long offset, long bytes) {
        while (bytes > 0) {
            long n = write ? Libc.pwritev(fd, vector, count, offset) : Libc.preadv(fd, vector, count, offset);
            if (n < 0) {
                int error = Libc.errno();
                if (error == Errno.EINTR || error == Errno.EAGAIN) {
                    continue;
                }
                return error;
            }
            if (n == 0) {
                return write ? Errno.EIO : zero(vector, count);
            }
            advance(vector, count, n);
            offset += n;
            bytes -= n;
        }
        return 0;
    }

    /**
     * Zeroes the rest. Memory that its owner has truncated meanwhile gives EFAULT, as it does when the kernel writes to
     * it.
     */
    private static int zero(long vector, int count) {
        try {
            for (int i = 0; i < count; i++) {
                long at = vector + (long) i * Libc.IOVEC_BYTES;
                Memory.zero(Memory.getLong(at), Memory.getLong(at + Libc.IOVEC_LEN));
            }
            // makes the JVM report a failed access here, rather than at the loop's next call of the kernel
            Libc.getpagesize();
        } catch (InternalError e) {
            return Errno.EFAULT;
        }
        return 0;
    }
}
