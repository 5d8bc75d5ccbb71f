package org.blktap.aio;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.file.Path;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Memory;
import org.blktap.linux.FileLock;
import org.blktap.linux.FileStatus;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.PinnedFile;
import org.blktap.linux.User;

/**
 * An open and locked descriptor, with the properties of its file.
 *
 * @param direct whether it is open with O_DIRECT
 * @param size bytes
 * @param sectorSize the logical sector of a block device, else 512
 * @param physicalSize the physical sector of a block device, else 4096
 * @param alignment bytes to which offsets and lengths must be aligned; 1 without O_DIRECT
 * @param memoryAlignment bytes to which memory must be aligned; 1 without O_DIRECT
 */
record OpenedFile(
        Path path,
        int fd,
        boolean writable,
        boolean blockDevice,
        boolean direct,
        long size,
        int sectorSize,
        int physicalSize,
        int alignment,
        int memoryAlignment) {

    static OpenedFile open(Path path, boolean writable) throws ErrnoException {
        try (PinnedFile pinned = PinnedFile.of(path)) {
            return open(path, pinned.fd(), writable, List.of());
        } catch (DiskException e) {
            int errno = switch (e.reason()) {
                case NOT_FOUND -> Errno.ENOENT;
                case PERMISSION -> Errno.EACCES;
                default -> Errno.EIO;
            };
            throw new ErrnoException(errno, e.getMessage());
        }
    }

    /**
     * @param pinned a descriptor of any kind; its file is judged before it is opened, because opening a device can have
     *     side effects
     * @param own open files whose locks do not count
     */
    static OpenedFile open(Path path, int pinned, boolean writable, List<IoFile> own) throws ErrnoException {
        FileStatus status = FileStatus.of(pinned);
        if (status == null) {
            throw failed(path, writable, Libc.errno());
        }
        if (!status.regularFile() && !status.blockDevice()) {
            throw status.directory()
                    ? new ErrnoException(
                            Errno.EISDIR, FileNames.text(path) + ": a directory, not a file or block device")
                    : new ErrnoException(
                            Errno.ENOTBLK, FileNames.text(path) + ": neither a regular file nor a block device");
        }
        // O_NONBLOCK: must not wait for another process's lease or lock; has no other effect on files and block devices
        int fd = PinnedFile.reopen(pinned, (writable ? Libc.O_RDWR : Libc.O_RDONLY) | Libc.O_NONBLOCK | Libc.O_NOCTTY);
        if (fd < 0) {
            throw failed(path, writable, Libc.errno());
        }
        try (CloseOnFailure opened = new CloseOnFailure(() -> Libc.close(fd))) {
            if (!lock(fd, writable, own)) {
                throw new ErrnoException(
                        Errno.EBUSY,
                        FileNames.text(path) + ": in use by another attachment or process"
                                + (writable ? "; it cannot be opened for writing" : ", which writes it"));
            }
            // again, now that nobody else writes it
            status = FileStatus.of(fd);
            if (status == null) {
                throw failed(path, writable, Libc.errno());
            }
            boolean direct = Libc.fcntl(fd, Libc.F_SETFL, Libc.O_DIRECT) == 0;
            return opened.keep(
                    status.blockDevice()
                            ? device(path, fd, writable, direct, status)
                            : regular(path, fd, writable, direct, status));
        }
    }

    /** Locks it; own files let go of their locks while those of others are looked at, after this one has its own. */
    private static boolean lock(int fd, boolean writable, List<IoFile> own) {
        FileLock.hold(fd, writable);
        own.forEach(each -> ((DiskFile) each).lock(false));
        try {
            return FileLock.isFree(fd, writable);
        } finally {
            own.forEach(each -> ((DiskFile) each).lock(true));
        }
    }

    private static OpenedFile regular(Path path, int fd, boolean writable, boolean mayBeDirect, FileStatus status) {
        boolean direct = mayBeDirect && takesDirect(fd);
        if (!direct && writable) {
            // cached pages may be older than the lock: another host may have written the file meanwhile
            Libc.posix_fadvise(fd, 0, 0, Libc.POSIX_FADV_DONTNEED);
        }
        int alignment = direct ? offsetAlignment(fd, status) : 1;
        int memory = direct ? Math.max(status.directMemoryAlignment(), 1) : 1;
        if (direct && status.directMemoryAlignment() == 0) {
            memory = alignment;
        }
        return new OpenedFile(path, fd, writable, false, direct, status.size(), SECTOR, PAGE, alignment, memory);
    }

    private static OpenedFile device(Path path, int fd, boolean writable, boolean direct, FileStatus status)
            throws ErrnoException {
        try (Mapping buffer = Mapping.anonymous(PAGE)) {
            long at = buffer.address();
            if (Libc.ioctl(fd, Libc.BLKGETSIZE64, at) != 0 || Libc.ioctl(fd, Libc.BLKSSZGET, at + 8) != 0) {
                throw failed(path, writable, Libc.errno());
            }
            int logical = Memory.getInt(at + 8);
            int physical = Libc.ioctl(fd, Libc.BLKPBSZGET, at + 16) == 0 ? Memory.getInt(at + 16) : logical;
            if (logical < SECTOR || logical > PAGE || Integer.bitCount(logical) != 1) {
                throw new ErrnoException(
                        Errno.EOPNOTSUPP,
                        FileNames.text(path) + ": logical sector size of the device: found " + logical
                                + ", expected 512 to 4096");
            }
            int memory = status.directMemoryAlignment() == 0 ? logical : status.directMemoryAlignment();
            return new OpenedFile(
                    path,
                    fd,
                    writable,
                    true,
                    direct,
                    Memory.getLong(at),
                    logical,
                    Math.max(logical, physical),
                    direct ? logical : 1,
                    direct ? memory : 1);
        }
    }

    /**
     * Whether O_DIRECT works. Some file systems accept the flag and refuse each access, as overlayfs above tmpfs does.
     * A trial read detects that, and the flag is then cleared.
     */
    private static boolean takesDirect(int fd) {
        try (Mapping buffer = Mapping.anonymous(PAGE)) {
            if (Libc.pread(fd, buffer.address(), PAGE, 0) >= 0 || Libc.errno() != Errno.EINVAL) {
                return true;
            }
        }
        Libc.fcntl(fd, Libc.F_SETFL, 0);
        return false;
    }

    /**
     * Returns the alignment of offsets. Kernels before 6.1 do not report it: a trial read at an offset that is not a
     * multiple of 4096 then finds it.
     */
    private static int offsetAlignment(int fd, FileStatus status) {
        if (status.directOffsetAlignment() != 0) {
            return status.directOffsetAlignment();
        }
        try (Mapping buffer = Mapping.anonymous(2 * PAGE)) {
            boolean small =
                    Libc.pread(fd, buffer.address() + SECTOR, SECTOR, SECTOR) >= 0 || Libc.errno() != Errno.EINVAL;
            return small ? SECTOR : PAGE;
        }
    }

    private static ErrnoException failed(Path path, boolean writable, int errno) {
        return new ErrnoException(
                errno,
                FileNames.text(path)
                        + switch (errno) {
                            case Errno.ENOENT -> ": no such file";
                            case Errno.EACCES, Errno.EPERM ->
                                ": no permission to " + (writable ? "read and write" : "read") + ", as the user "
                                        + User.effective();
                            case Errno.EROFS -> ": on a read-only file system; attach it read-only";
                            default -> ": cannot open: " + Errno.text(errno);
                        });
    }
}
