package org.blktap.api.engine;

/** Linux error numbers (asm-generic/errno.h) that requests and file operations end with; 0 is success. */
public final class Errno {
    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int EINTR = 4;
    public static final int EIO = 5;
    public static final int EAGAIN = 11;
    public static final int ENOMEM = 12;
    public static final int EACCES = 13;
    public static final int EFAULT = 14;
    public static final int EBUSY = 16;
    public static final int EEXIST = 17;
    public static final int EINVAL = 22;
    public static final int EFBIG = 27;
    public static final int ENOSPC = 28;
    public static final int EROFS = 30;
    public static final int EOPNOTSUPP = 95;
    public static final int ESHUTDOWN = 108;

    private Errno() {
    }

    /** A short name for messages, e.g. {@code ENOSPC (no space left on device)}. */
    public static String text(int errno) {
        return switch (errno) {
            case 0 -> "success";
            case EPERM -> "EPERM (operation not permitted)";
            case ENOENT -> "ENOENT (no such file or directory)";
            case EINTR -> "EINTR (interrupted)";
            case EIO -> "EIO (I/O error)";
            case EAGAIN -> "EAGAIN (try again)";
            case ENOMEM -> "ENOMEM (out of memory)";
            case EACCES -> "EACCES (permission denied)";
            case EFAULT -> "EFAULT (bad address)";
            case EBUSY -> "EBUSY (busy)";
            case EEXIST -> "EEXIST (file exists)";
            case EINVAL -> "EINVAL (invalid argument)";
            case EFBIG -> "EFBIG (file too large)";
            case ENOSPC -> "ENOSPC (no space left on device)";
            case EROFS -> "EROFS (read-only)";
            case EOPNOTSUPP -> "EOPNOTSUPP (not supported)";
            case ESHUTDOWN -> "ESHUTDOWN (shut down)";
            default -> "errno " + errno;
        };
    }
}
