package org.blktap.linux;

import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;

/**
 * Locks an open image, so that no other process uses it in a conflicting way, and detects one that does. The locks are
 * those of QEMU (docs/system/images.rst, "Disk image file locking"; block/file-posix.c): shared open-file-description
 * locks on one byte for each permission held and for each permission not granted to others. They end with the
 * descriptor, however its process ends.
 */
public final class FileLock {
    private static final long HELD = 100;
    private static final long NOT_SHARED = 200;
    private static final int CONSISTENT_READ = 0;
    private static final int WRITE = 1;
    private static final int RESIZE = 3;
    /** What no other process may do meanwhile. */
    private static final int[] EXCLUSIVE = {WRITE, RESIZE};

    private FileLock() {}

    /**
     * Locks an open image for reading, or for reading and writing.
     *
     * @return false if another user of the file does not allow it; locks are then left for close to remove
     */
    public static boolean acquire(int fd, boolean writable) {
        hold(fd, writable);
        return isFree(fd, writable);
    }

    /** Sets the locks, without a look at those of others: for one that has looked before, or looks afterwards. */
    public static void hold(int fd, boolean writable) {
        try (Mapping buffer = Mapping.anonymous(Alignment.PAGE)) {
            long flock = buffer.address();
            for (int permission : held(writable)) {
                lock(fd, flock, HELD + permission);
            }
            for (int permission : EXCLUSIVE) {
                lock(fd, flock, NOT_SHARED + permission);
            }
        }
    }

    /** Removes the locks; the file stays open. */
    public static void release(int fd) {
        try (Mapping buffer = Mapping.anonymous(Alignment.PAGE)) {
            fill(buffer.address(), Libc.F_UNLCK, HELD, NOT_SHARED + RESIZE + 1 - HELD);
            Libc.fcntl(fd, Libc.F_OFD_SETLK, buffer.address());
        }
    }

    /** Whether {@link #acquire} would succeed, without locking: others do not notice. */
    public static boolean isFree(int fd, boolean writable) {
        try (Mapping buffer = Mapping.anonymous(Alignment.PAGE)) {
            long flock = buffer.address();
            for (int permission : held(writable)) {
                if (lockedByOther(fd, flock, NOT_SHARED + permission)) {
                    return false;
                }
            }
            for (int permission : EXCLUSIVE) {
                if (lockedByOther(fd, flock, HELD + permission)) {
                    return false;
                }
            }
            return true;
        }
    }

    private static int[] held(boolean writable) {
        return writable ? new int[] {CONSISTENT_READ, WRITE, RESIZE} : new int[] {CONSISTENT_READ};
    }

    /** Sets a lock. File systems without locks refuse it; there no other process can be warned. */
    private static void lock(int fd, long flock, long at) {
        fill(flock, Libc.F_RDLCK, at, 1);
        Libc.fcntl(fd, Libc.F_OFD_SETLK, flock);
    }

    private static boolean lockedByOther(int fd, long flock, long at) {
        fill(flock, Libc.F_WRLCK, at, 1);
        return Libc.fcntl(fd, Libc.F_OFD_GETLK, flock) == 0 && Memory.getShort(flock) != Libc.F_UNLCK;
    }

    private static void fill(long flock, short type, long at, long length) {
        Memory.fill(flock, Libc.FLOCK_BYTES, (byte) 0);
        Memory.putShort(flock, type);
        Memory.putShort(flock + 2, (short) Libc.SEEK_SET);
        Memory.putLong(flock + 8, at);
        Memory.putLong(flock + 16, length);
    }
}
