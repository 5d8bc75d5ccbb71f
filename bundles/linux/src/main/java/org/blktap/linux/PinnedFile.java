package org.blktap.linux;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;

/**
 * A file or directory held by a descriptor that can neither read nor write it (O_PATH). It can be judged before it is
 * opened, without opening a device as a side effect, and stays the same file whatever others do to its name. Any
 * thread, one at a time.
 */
public final class PinnedFile implements AutoCloseable {
    // linux/openat2.h: struct open_how has u64 flags, mode, resolve
    private static final long SYS_OPENAT2 = 437;
    private static final int OPEN_HOW_BYTES = 24;
    private static final long RESOLVE_NO_MAGICLINKS = 0x02;
    private static final long RESOLVE_NO_SYMLINKS = 0x04;
    private static final long RESOLVE_BENEATH = 0x08;
    private static final int PIN = Libc.O_PATH | Libc.O_CLOEXEC;
    /** Longest value of an extended attribute; longer ones are not blktap's. */
    private static final int ATTRIBUTE_BYTES = 1024;

    private final int fd;
    private final FileStatus status;

    private PinnedFile(Path name, int fd) throws DiskException {
        this.fd = fd;
        status = FileStatus.of(fd);
        if (status == null) {
            int errno = Libc.errno();
            Libc.close(fd);
            throw failed(name, errno);
        }
    }

    /** Pins the file or directory that a path leads to, after all links. */
    public static PinnedFile of(Path path) throws DiskException {
        return new PinnedFile(path, opened(path, Libc.openat(Libc.AT_FDCWD, bytes(path), PIN, 0)));
    }

    /** Pins the object of this name itself, which may be a link. */
    public static PinnedFile ofName(Path path) throws DiskException {
        return new PinnedFile(path, opened(path, Libc.openat(Libc.AT_FDCWD, bytes(path), PIN | Libc.O_NOFOLLOW, 0)));
    }

    /** Makes a new file and pins it; fails if the name exists already, even as a link. */
    public static PinnedFile create(Path path, int mode) throws DiskException {
        int flags = Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW | Libc.O_CLOEXEC;
        return new PinnedFile(path, opened(path, Libc.openat(Libc.AT_FDCWD, bytes(path), flags, mode)));
    }

    /**
     * Makes a new file without a name in a directory, and pins it. Unless {@link #link} gives it a name, it vanishes
     * with its last descriptor, even if the process is killed.
     *
     * @return null if the file system has no such files
     */
    public static PinnedFile createUnnamed(Path directory, int mode) throws DiskException {
        int fd = Libc.openat(Libc.AT_FDCWD, bytes(directory), Libc.O_TMPFILE | Libc.O_RDWR | Libc.O_CLOEXEC, mode);
        int errno = fd < 0 ? Libc.errno() : 0;
        if (errno == Errno.EOPNOTSUPP || errno == Errno.EINVAL || errno == Errno.EISDIR) {
            return null;
        }
        if (errno != 0) {
            throw failed(directory, errno);
        }
        return new PinnedFile(directory, fd);
    }

    /** Pins the same file once more. */
    public PinnedFile again() throws DiskException {
        return of(Path.of(magicLink()));
    }

    /** Pins what a path leads to, after all links; relative paths start in this directory. */
    public PinnedFile at(Path path) throws DiskException {
        return new PinnedFile(path, opened(path, Libc.openat(fd, bytes(path), PIN, 0)));
    }

    /** Pins the object of a name in this directory itself, which may be a link. */
    public PinnedFile named(Path name) throws DiskException {
        return new PinnedFile(name, opened(name, Libc.openat(fd, bytes(name), PIN | Libc.O_NOFOLLOW, 0)));
    }

    /**
     * Pins a file below this directory, by a path without links that does not leave the directory.
     *
     * @return null if the kernel cannot promise that (before Linux 5.6)
     * @throws DiskException also if the path has a link or was changed meanwhile
     */
    public PinnedFile beneath(Path relative) throws DiskException {
        try (Mapping how = Mapping.anonymous(OPEN_HOW_BYTES)) {
            Memory.putLong(how.address(), PIN);
            Memory.putLong(how.address() + 8, 0);
            Memory.putLong(how.address() + 16, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
            int opened = (int) Libc.syscall(SYS_OPENAT2, fd, bytes(relative), how.address(), OPEN_HOW_BYTES);
            if (opened < 0 && (Libc.errno() == Errno.ENOSYS || Libc.errno() == Errno.EPERM)) {
                // an old kernel, or a container's filter of system calls that does not know it
                return null;
            }
            return new PinnedFile(relative, opened(relative, opened));
        }
    }

    /** Returns the kernel's data about the file. */
    public FileStatus status() {
        return status;
    }

    /** Returns the current absolute path, without links. Only a hint: others may move the file. */
    public Path realPath() throws DiskException {
        try {
            return Files.readSymbolicLink(Path.of(magicLink()));
        } catch (IOException e) {
            throw DiskException.io(magicLink(), "look up the path of an open file", e);
        }
    }

    /** The descriptor, this object's to close. */
    public int fd() {
        return fd;
    }

    /** A path that leads to this very file as long as it is pinned. */
    public String magicLink() {
        return "/proc/self/fd/" + fd;
    }

    /** Opens the file. Returns a descriptor, which the caller closes, or -1 with the reason in {@link Libc#errno}. */
    public int reopen(int flags) {
        return reopen(fd, flags);
    }

    /** Opens the file of a descriptor anew. */
    public static int reopen(int fd, int flags) {
        return Libc.open("/proc/self/fd/" + fd, flags | Libc.O_CLOEXEC, 0);
    }

    /** Gives the file one more name. Returns 0 or an errno. */
    public int link(Path name) {
        return Libc.linkat(Libc.AT_FDCWD, magicLink(), Libc.AT_FDCWD, bytes(name), Libc.AT_SYMLINK_FOLLOW) == 0
                ? 0
                : Libc.errno();
    }

    /** Sets an extended attribute, where the file system has them. Returns 0 or an errno. */
    public int attribute(String name, byte[] value) {
        return Libc.setxattr(magicLink(), name, value, value.length, 0) == 0 ? 0 : Libc.errno();
    }

    /** Returns an extended attribute, or null. */
    public byte[] attribute(String name) {
        byte[] value = new byte[ATTRIBUTE_BYTES];
        long length = Libc.getxattr(magicLink(), name, value, value.length);
        return length < 0 ? null : java.util.Arrays.copyOf(value, (int) length);
    }

    /** A path as the kernel has it, whatever its encoding, with a NUL after it. */
    public static byte[] bytes(Path path) {
        byte[] name = FileNames.bytes(path);
        return java.util.Arrays.copyOf(name, name.length + 1);
    }

    private static int opened(Path name, int fd) throws DiskException {
        if (fd < 0) {
            throw failed(name, Libc.errno());
        }
        return fd;
    }

    private static DiskException failed(Path path, int errno) {
        String name = FileNames.text(path);
        return switch (errno) {
            case Errno.ENOENT, Errno.ENOTDIR -> new DiskException(Reason.NOT_FOUND, name + ": no such file");
            case Errno.EACCES, Errno.EPERM ->
                new DiskException(
                        Reason.PERMISSION, name + ": no permission to reach it, as the user " + User.effective());
            case Errno.EEXIST -> new DiskException(Reason.EXISTS, name + ": exists already");
            case Errno.ENOSPC -> new DiskException(Reason.NO_SPACE, name + ": no space left on its file system");
            default -> new DiskException(Reason.IO, name + ": cannot open: " + Errno.text(errno));
        };
    }

    @Override
    public void close() {
        Libc.close(fd);
    }
}
