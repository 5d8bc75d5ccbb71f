package org.blktap.client.rbd;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.Errno;

/** Makes exceptions from results of the libraries. */
final class RbdErrors {
    private RbdErrors() {}

    /**
     * @param what names the image or cluster
     * @param doing what failed, e.g. {@code cannot be opened}
     * @param result negative
     */
    static DiskException of(Object what, String doing, int result) {
        int errno = -result;
        Reason reason = switch (errno) {
            case Errno.ENOENT -> Reason.NOT_FOUND;
            case Errno.EEXIST -> Reason.EXISTS;
            case Errno.EPERM, Errno.EACCES, Errno.EROFS -> Reason.PERMISSION;
            case Errno.EBUSY -> Reason.BUSY;
            case Errno.ENOSPC -> Reason.NO_SPACE;
            case Errno.EOPNOTSUPP -> Reason.UNSUPPORTED;
            default -> Reason.IO;
        };
        String why = errno == Errno.ESHUTDOWN ? "the cluster has blocklisted this host" : Errno.text(errno);
        return new DiskException(reason, what + ": " + doing + ": " + why);
    }

    /** @throws DiskException if the result is negative */
    static void check(Object what, String doing, int result) throws DiskException {
        if (result < 0) {
            throw of(what, doing, result);
        }
    }
}
