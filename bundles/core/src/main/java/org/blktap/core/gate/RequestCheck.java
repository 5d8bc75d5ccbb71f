package org.blktap.core.gate;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;

/** Checks a request of a node, which may come from a hostile VM, against the disk. */
final class RequestCheck {
    private RequestCheck() {}

    /** Returns the errno for a request that does not fit the disk, otherwise 0. */
    static int errno(Request request, DiskInfo info) {
        long offset = request.offset();
        long length = request.length();
        if (info.sizeBytes() == 0 && request.operation() != Operation.FLUSH) {
            return Errno.ENOMEDIUM;
        }
        switch (request.operation()) {
            case FLUSH -> {
                return 0;
            }
            case READ -> {
                if (request.data().total() != length) {
                    return Errno.EINVAL;
                }
            }
            case WRITE -> {
                if (request.data().total() != length) {
                    return Errno.EINVAL;
                }
                if (info.readOnly()) {
                    return Errno.EROFS;
                }
            }
            case DISCARD, WRITE_ZEROES -> {
                if (info.readOnly()) {
                    return Errno.EROFS;
                }
            }
            case MAP -> {
                if (request.extents() == null) {
                    return Errno.EINVAL;
                }
            }
        }
        if (offset < 0 || length <= 0 || offset > info.sizeBytes() - length) {
            boolean writes = request.operation() == Operation.WRITE;
            return writes && offset >= 0 && length > 0 ? Errno.ENOSPC : Errno.EINVAL;
        }
        return 0;
    }
}
