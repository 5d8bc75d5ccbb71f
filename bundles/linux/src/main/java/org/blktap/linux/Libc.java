package org.blktap.linux;

import com.sun.jna.Native;

/**
 * libc by JNA direct mapping, primitives and addresses only. Every call that fails returns -1 and leaves its reason in
 * {@link #errno()} of the calling thread. Layouts and numbers are those of x86-64 and aarch64 Linux.
 */
public final class Libc {
    // fcntl.h (values of x86-64; those that differ on aarch64 say so)
    public static final int O_RDONLY = 0;
    public static final int O_WRONLY = 1;
    public static final int O_RDWR = 2;
    public static final int O_CREAT = 0x40;
    public static final int O_EXCL = 0x80;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_CLOEXEC = 0x80000;
    public static final int O_NOCTTY = 0x100;
    public static final int O_PATH = 0x200000;
    public static final int O_DIRECT = Processor.AARCH64 ? 0x10000 : 0x4000;
    public static final int O_DIRECTORY = Processor.AARCH64 ? 0x4000 : 0x10000;
    public static final int O_NOFOLLOW = Processor.AARCH64 ? 0x8000 : 0x20000;
    /** Opens a file without a name in the directory that the path names. */
    public static final int O_TMPFILE = 0x400000 | O_DIRECTORY;
    /** A directory argument: the process's own. */
    public static final int AT_FDCWD = -100;

    public static final int AT_SYMLINK_FOLLOW = 0x400;
    public static final int F_SETFD = 2;
    public static final int FD_CLOEXEC = 1;
    public static final int F_GETFL = 3;
    public static final int F_SETFL = 4;
    public static final int F_OFD_GETLK = 36;
    public static final int F_OFD_SETLK = 37;
    public static final int F_GET_SEALS = 1034;
    public static final short F_RDLCK = 0;
    public static final short F_WRLCK = 1;
    public static final short F_UNLCK = 2;
    public static final int FALLOC_FL_KEEP_SIZE = 1;
    public static final int FALLOC_FL_PUNCH_HOLE = 2;
    public static final int FALLOC_FL_ZERO_RANGE = 0x10;
    public static final int SEEK_SET = 0;
    public static final int SEEK_CUR = 1;
    public static final int SEEK_END = 2;
    public static final int SEEK_DATA = 3;
    public static final int SEEK_HOLE = 4;
    /** {@code struct flock}: type@0 whence@2 start@8 length@16 pid@24. */
    public static final int FLOCK_BYTES = 32;

    public static final int AT_EMPTY_PATH = 0x1000;
    // sys/mman.h
    public static final int PROT_READ = 1;
    public static final int PROT_WRITE = 2;
    public static final int MAP_SHARED = 1;
    public static final int MAP_PRIVATE = 2;
    public static final int MAP_ANONYMOUS = 0x20;
    public static final int MAP_NORESERVE = 0x4000;
    /** Maps all pages at once. */
    public static final int MAP_POPULATE = 0x8000;

    public static final int MFD_CLOEXEC = 1;
    public static final int MADV_DONTNEED = 4;
    public static final int MADV_REMOVE = 9;
    /** Leaves the range out of core dumps. */
    public static final int MADV_DONTDUMP = 16;

    public static final int POSIX_FADV_DONTNEED = 4;
    // sys/eventfd.h, sys/epoll.h
    public static final int EFD_CLOEXEC = O_CLOEXEC;
    public static final int EFD_NONBLOCK = O_NONBLOCK;
    public static final int EPOLL_CLOEXEC = O_CLOEXEC;
    public static final int EPOLL_CTL_ADD = 1;
    public static final int EPOLL_CTL_DEL = 2;
    public static final int EPOLL_CTL_MOD = 3;
    // sys/socket.h
    public static final int AF_UNIX = 1;
    public static final int AF_INET = 2;
    public static final int AF_INET6 = 10;
    public static final int SOCK_STREAM = 1;
    public static final int SOCK_DGRAM = 2;
    public static final int SOCK_CLOEXEC = O_CLOEXEC;
    public static final int SOCK_NONBLOCK = O_NONBLOCK;
    public static final int SOL_SOCKET = 1;
    public static final int SO_REUSEADDR = 2;
    public static final int SO_SNDBUF = 7;
    public static final int SO_RCVBUF = 8;
    public static final int SO_PEERCRED = 17;
    public static final int SO_DOMAIN = 39;
    public static final int SO_SNDBUFFORCE = 32;
    public static final int SCM_RIGHTS = 1;
    public static final int IPPROTO_TCP = 6;
    public static final int TCP_NODELAY = 1;
    public static final int MSG_DONTWAIT = 0x40;
    /** sys/socket.h. */
    public static final int SHUT_RDWR = 2;

    public static final int MSG_NOSIGNAL = 0x4000;
    public static final int MSG_CTRUNC = 0x8;
    public static final int MSG_CMSG_CLOEXEC = 0x40000000;
    // sys/uio.h: do not wait, whatever the flags of the open file are
    public static final int RWF_NOWAIT = 8;
    /** {@code struct iovec}: u64 base, u64 length. */
    public static final int IOVEC_BYTES = 16;
    /** The offset of an iovec's length; its base is at 0. */
    public static final int IOVEC_LEN = 8;
    /** {@code struct msghdr}: name@0 namelen@8, and these. */
    public static final int MSGHDR_BYTES = 56;

    public static final int MSGHDR_IOV = 16;
    public static final int MSGHDR_IOVLEN = 24;
    public static final int MSGHDR_CONTROL = 32;
    public static final int MSGHDR_CONTROLLEN = 40;
    public static final int MSGHDR_FLAGS = 48;
    /** {@code struct cmsghdr}: u64 len@0, which counts this header, and these; the data follows. */
    public static final int CMSGHDR_BYTES = 16;

    public static final int CMSGHDR_LEVEL = 8;
    public static final int CMSGHDR_TYPE = 12;
    /** {@code struct statx} of linux/stat.h, where these are. */
    public static final int STATX_BYTES = 256;

    public static final int STATX_AT_BLKSIZE = 4;
    public static final int STATX_AT_NLINK = 16;
    public static final int STATX_AT_UID = 20;
    public static final int STATX_AT_MODE = 28;
    public static final int STATX_AT_INO = 32;
    public static final int STATX_AT_SIZE = 40;
    /** In units of 512 bytes. */
    public static final int STATX_AT_BLOCKS = 48;

    public static final int STATX_AT_DEV_MAJOR = 136;
    public static final int STATX_AT_DEV_MINOR = 140;
    public static final int STATX_AT_DIO_MEM_ALIGN = 152;
    public static final int STATX_AT_DIO_OFFSET_ALIGN = 156;
    // linux/fs.h, on 64-bit
    public static final long BLKGETSIZE64 = 0x80081272L;
    public static final long BLKSSZGET = 0x1268;
    public static final long BLKPBSZGET = 0x127b;
    public static final long BLKDISCARD = 0x1277;
    public static final long BLKZEROOUT = 0x127f;

    static {
        Native.register(Libc.class, "c");
    }

    private Libc() {}

    /** The errno of this thread's last failed call. */
    public static int errno() {
        return Native.getLastError();
    }

    public static native int open(String path, int flags, int mode);

    /** @param path ends with a NUL */
    public static native int openat(int directory, byte[] path, int flags, int mode);

    /** @param to ends with a NUL */
    public static native int linkat(int fromDirectory, String from, int toDirectory, byte[] to, int flags);

    public static native int setxattr(String path, String name, byte[] value, long bytes, int flags);

    /** @return the length of the value */
    public static native long getxattr(String path, String name, byte[] value, long bytes);

    /** A system call that libc has no function for; see {@link PinnedFile}. */
    static native long syscall(long number, long first, byte[] second, long third, long fourth);

    /** A system call that libc has no function for; see {@link IoUring}. */
    static native long syscall(long number, long first, long second, long third, long fourth, long fifth, long sixth);

    public static native int close(int fd);

    public static native int dup(int fd);

    public static native int dup3(int fd, int onto, int flags);

    public static native long pread(int fd, long address, long bytes, long offset);

    public static native long pwrite(int fd, long address, long bytes, long offset);

    public static native long preadv(int fd, long iovecs, int count, long offset);

    public static native long pwritev(int fd, long iovecs, int count, long offset);

    /** Reads at {@code offset}, or at the file's own position if that is -1. */
    public static native long preadv2(int fd, long iovecs, int count, long offset, int flags);

    public static native long read(int fd, long address, long bytes);

    public static native long write(int fd, long address, long bytes);

    public static native long readv(int fd, long iovecs, int count);

    public static native long writev(int fd, long iovecs, int count);

    public static native int fdatasync(int fd);

    public static native int fsync(int fd);

    public static native int posix_fadvise(int fd, long offset, long bytes, int advice);

    public static native int fallocate(int fd, int mode, long offset, long bytes);

    public static native int ftruncate(int fd, long size);

    public static native long lseek(int fd, long offset, int whence);

    public static native int ioctl(int fd, long request, long argument);

    public static native int fcntl(int fd, int command, long argument);

    /** Fills a {@code struct statx} of 256 bytes; see {@link FileStatus}. */
    public static native int statx(int directory, String path, int flags, int mask, long statx);

    public static native int fchmod(int fd, int mode);

    public static native int chmod(String path, int mode);

    public static native int chown(String path, int uid, int gid);

    public static native int unlink(byte[] path);

    public static native int umask(int mask);

    /** Known to libc since the process began: no system call. */
    public static native int getpagesize();

    public static native int geteuid();

    /** Allocates memory, to be freed by {@link #free}; 0 on failure. */
    public static native long malloc(long bytes);

    /** Frees memory of {@link #malloc}, or of a library that hands out such memory. */
    public static native void free(long address);

    public static native long mmap(long address, long bytes, int protection, int flags, int fd, long offset);

    public static native int munmap(long address, long bytes);

    public static native int madvise(long address, long bytes, int advice);

    public static native int memfd_create(String name, int flags);

    public static native int eventfd(int initial, int flags);

    public static native int epoll_create1(int flags);

    public static native int epoll_ctl(int epfd, int operation, int fd, long event);

    public static native int epoll_wait(int epfd, long events, int count, int milliseconds);

    public static native int socket(int domain, int type, int protocol);

    public static native int socketpair(int domain, int type, int protocol, long fds);

    public static native int bind(int fd, long address, int length);

    public static native int listen(int fd, int backlog);

    public static native int connect(int fd, long address, int length);

    public static native int accept4(int fd, long address, long length, int flags);

    public static native int shutdown(int fd, int how);

    public static native int setsockopt(int fd, int level, int option, long value, int length);

    public static native int getsockopt(int fd, int level, int option, long value, long length);

    public static native long recv(int fd, long address, long bytes, int flags);

    public static native long send(int fd, long address, long bytes, int flags);

    public static native long recvmsg(int fd, long msghdr, int flags);

    public static native long sendmsg(int fd, long msghdr, int flags);

    public static native int pipe2(long fds, int flags);

    public static native long vmsplice(int fd, long iovecs, long count, int flags);

    public static native int getsockname(int fd, long address, long length);
}
