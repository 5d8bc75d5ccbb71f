package org.blktap.node.nbd;

import org.blktap.api.engine.Errno;
import org.blktap.api.nbd.Nbd;

/** Error numbers of replies. */
final class ReplyError {
    private ReplyError() {}

    /**
     * Returns the protocol's error for a Linux errno.
     *
     * @param fastZero whether the request may fail with ENOTSUP, which is reserved for FAST_ZERO
     */
    static int of(int errno, boolean fastZero) {
        return switch (errno) {
            case 0 -> 0;
            case Errno.EPERM, Errno.EACCES, Errno.EROFS -> Nbd.EPERM;
            case Errno.ENOMEM -> Nbd.ENOMEM;
            case Errno.EINVAL -> Nbd.EINVAL;
            case Errno.ENOSPC, Errno.EFBIG, Errno.EDQUOT -> Nbd.ENOSPC;
            case Errno.EOPNOTSUPP -> fastZero ? Nbd.ENOTSUP : Nbd.EINVAL;
            case Errno.ESHUTDOWN -> Nbd.ESHUTDOWN;
            default -> Nbd.EIO;
        };
    }
}
