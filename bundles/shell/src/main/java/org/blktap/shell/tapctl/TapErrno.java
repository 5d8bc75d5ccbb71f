package org.blktap.shell.tapctl;

import org.blktap.api.disk.DiskException;

/** The error numbers of Linux (asm-generic/errno.h) that are tap-ctl's exit statuses. */
final class TapErrno {
    static final int ENOENT = 2;
    static final int EIO = 5;
    static final int EAGAIN = 11;
    static final int EACCES = 13;
    static final int EBUSY = 16;
    static final int EEXIST = 17;
    static final int ENODEV = 19;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;
    static final int EOPNOTSUPP = 95;
    static final int ETIMEDOUT = 110;
    static final int EALREADY = 114;
    static final int EMEDIUMTYPE = 124;

    private TapErrno() {}

    static int of(DiskException.Reason reason) {
        return switch (reason) {
            case NOT_FOUND -> ENOENT;
            case EXISTS -> EEXIST;
            case PERMISSION, FORBIDDEN_PATH -> EACCES;
            case BUSY -> EBUSY;
            case WRONG_TYPE -> EMEDIUMTYPE;
            case BAD_OPTION, CORRUPT -> EINVAL;
            case UNSUPPORTED -> EOPNOTSUPP;
            case NO_SPACE -> ENOSPC;
            case IO -> EIO;
        };
    }
}
