package org.blktap.api.engine;

/** Linux error numbers (asm-generic/errno.h) that requests and system calls end with; 0 is success. */
public final class Errno {
    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int EINTR = 4;
    public static final int EIO = 5;
    public static final int ENXIO = 6;
    public static final int EBADF = 9;
    public static final int EAGAIN = 11;
    public static final int ENOMEM = 12;
    public static final int EACCES = 13;
    public static final int EFAULT = 14;
    public static final int ENOTBLK = 15;
    public static final int EBUSY = 16;
    public static final int EEXIST = 17;
    public static final int ENODEV = 19;
    public static final int ENOTDIR = 20;
    public static final int EISDIR = 21;
    public static final int EINVAL = 22;
    public static final int ENOTTY = 25;
    public static final int EFBIG = 27;
    public static final int ENOSPC = 28;
    public static final int EROFS = 30;
    public static final int EPIPE = 32;
    public static final int ERANGE = 34;
    public static final int ENOSYS = 38;
    public static final int ENODATA = 61;
    public static final int ENOLINK = 67;
    public static final int EPROTO = 71;
    public static final int EILSEQ = 84;
    public static final int EOPNOTSUPP = 95;
    public static final int EADDRINUSE = 98;
    public static final int EADDRNOTAVAIL = 99;
    public static final int ECONNABORTED = 103;
    public static final int ECONNRESET = 104;
    public static final int ENOTCONN = 107;
    public static final int ESHUTDOWN = 108;
    public static final int ETIMEDOUT = 110;
    public static final int ECONNREFUSED = 111;
    public static final int EREMOTEIO = 121;
    public static final int EDQUOT = 122;
    public static final int ENOMEDIUM = 123;

    /** The errors by number: the name, and what it means. Empty where Linux has none. */
    private static final String[] TEXTS = {
        "",
        "EPERM operation not permitted",
        "ENOENT no such file or directory",
        "ESRCH no such process",
        "EINTR interrupted",
        "EIO I/O error",
        "ENXIO no such device or address",
        "E2BIG argument list too long",
        "ENOEXEC exec format error",
        "EBADF bad file descriptor",
        "ECHILD no child processes",
        "EAGAIN try again",
        "ENOMEM out of memory",
        "EACCES permission denied",
        "EFAULT bad address",
        "ENOTBLK block device required",
        "EBUSY busy",
        "EEXIST file exists",
        "EXDEV invalid cross-device link",
        "ENODEV no such device",
        "ENOTDIR not a directory",
        "EISDIR is a directory",
        "EINVAL invalid argument",
        "ENFILE too many open files in system",
        "EMFILE too many open files",
        "ENOTTY inappropriate ioctl for device",
        "ETXTBSY text file busy",
        "EFBIG file too large",
        "ENOSPC no space left on device",
        "ESPIPE illegal seek",
        "EROFS read-only",
        "EMLINK too many links",
        "EPIPE broken pipe",
        "EDOM numerical argument out of domain",
        "ERANGE numerical result out of range",
        "EDEADLK resource deadlock avoided",
        "ENAMETOOLONG file name too long",
        "ENOLCK no locks available",
        "ENOSYS function not implemented",
        "ENOTEMPTY directory not empty",
        "ELOOP too many levels of symbolic links",
        "",
        "ENOMSG no message of desired type",
        "EIDRM identifier removed",
        "ECHRNG channel number out of range",
        "EL2NSYNC level 2 not synchronized",
        "EL3HLT level 3 halted",
        "EL3RST level 3 reset",
        "ELNRNG link number out of range",
        "EUNATCH protocol driver not attached",
        "ENOCSI no CSI structure available",
        "EL2HLT level 2 halted",
        "EBADE invalid exchange",
        "EBADR invalid request descriptor",
        "EXFULL exchange full",
        "ENOANO no anode",
        "EBADRQC invalid request code",
        "EBADSLT invalid slot",
        "",
        "EBFONT bad font file format",
        "ENOSTR device not a stream",
        "ENODATA no data available",
        "ETIME timer expired",
        "ENOSR out of streams resources",
        "ENONET machine is not on the network",
        "ENOPKG package not installed",
        "EREMOTE object is remote",
        "ENOLINK link has been severed",
        "EADV advertise error",
        "ESRMNT srmount error",
        "ECOMM communication error on send",
        "EPROTO protocol error",
        "EMULTIHOP multihop attempted",
        "EDOTDOT RFS specific error",
        "EBADMSG bad message",
        "EOVERFLOW value too large for defined data type",
        "ENOTUNIQ name not unique on network",
        "EBADFD file descriptor in bad state",
        "EREMCHG remote address changed",
        "ELIBACC can not access a needed shared library",
        "ELIBBAD accessing a corrupted shared library",
        "ELIBSCN .lib section in a.out corrupted",
        "ELIBMAX attempting to link in too many shared libraries",
        "ELIBEXEC cannot exec a shared library directly",
        "EILSEQ invalid or incomplete multibyte or wide character",
        "ERESTART interrupted system call should be restarted",
        "ESTRPIPE streams pipe error",
        "EUSERS too many users",
        "ENOTSOCK socket operation on non-socket",
        "EDESTADDRREQ destination address required",
        "EMSGSIZE message too long",
        "EPROTOTYPE protocol wrong type for socket",
        "ENOPROTOOPT protocol not available",
        "EPROTONOSUPPORT protocol not supported",
        "ESOCKTNOSUPPORT socket type not supported",
        "EOPNOTSUPP not supported",
        "EPFNOSUPPORT protocol family not supported",
        "EAFNOSUPPORT address family not supported by protocol",
        "EADDRINUSE address already in use",
        "EADDRNOTAVAIL cannot assign requested address",
        "ENETDOWN network is down",
        "ENETUNREACH network is unreachable",
        "ENETRESET network dropped connection on reset",
        "ECONNABORTED software caused connection abort",
        "ECONNRESET connection reset by peer",
        "ENOBUFS no buffer space available",
        "EISCONN transport endpoint is already connected",
        "ENOTCONN transport endpoint is not connected",
        "ESHUTDOWN shut down",
        "ETOOMANYREFS too many references: cannot splice",
        "ETIMEDOUT connection timed out",
        "ECONNREFUSED connection refused",
        "EHOSTDOWN host is down",
        "EHOSTUNREACH no route to host",
        "EALREADY operation already in progress",
        "EINPROGRESS operation now in progress",
        "ESTALE stale file handle",
        "EUCLEAN structure needs cleaning",
        "ENOTNAM not a XENIX named type file",
        "ENAVAIL no XENIX semaphores available",
        "EISNAM is a named type file",
        "EREMOTEIO remote I/O error",
        "EDQUOT disk quota exceeded",
        "ENOMEDIUM no medium found",
        "EMEDIUMTYPE wrong medium type",
        "ECANCELED operation canceled",
        "ENOKEY required key not available",
        "EKEYEXPIRED key has expired",
        "EKEYREVOKED key has been revoked",
        "EKEYREJECTED key was rejected by service",
        "EOWNERDEAD owner died",
        "ENOTRECOVERABLE state not recoverable",
        "ERFKILL operation not possible due to RF-kill",
        "EHWPOISON memory page has hardware error"
    };
    /** Numbers that the kernel keeps to itself (linux/errno.h), but which drivers return by mistake. */
    private static final int ENOTSUPP = 524;

    private Errno() {}

    /** A short name for messages, e.g. {@code ENOSPC (no space left on device)}. */
    public static String text(int errno) {
        if (errno == 0) {
            return "success";
        }
        if (errno == ENOTSUPP) {
            return "ENOTSUPP (not supported)";
        }
        String text = errno > 0 && errno < TEXTS.length ? TEXTS[errno] : "";
        int blank = text.indexOf(' ');
        return blank < 0 ? "unknown error " + errno : text.substring(0, blank) + " (" + text.substring(blank + 1) + ")";
    }
}
