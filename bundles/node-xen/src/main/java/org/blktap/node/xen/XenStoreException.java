package org.blktap.node.xen;

import java.io.IOException;
import org.blktap.api.engine.Errno;

/** What xenstored refused, or could not be asked. */
final class XenStoreException extends IOException {
    private static final long serialVersionUID = 1;

    private final int errno;

    XenStoreException(String what, String path, int errno) {
        super("XenStore: " + path + ": cannot " + what + ": " + text(errno));
        this.errno = errno;
    }

    int errno() {
        return errno;
    }

    /** Whether this says that the connection is gone. */
    boolean isLost() {
        return isLost(errno);
    }

    /** Whether the connection is gone: xenstored itself never answers with these (xsd_errors of xen/io/xs_wire.h). */
    private static boolean isLost(int errno) {
        return errno == Errno.EBADF || errno == Errno.EPIPE || errno == Errno.ECONNRESET || errno == Errno.ENOTCONN;
    }

    private static String text(int errno) {
        return isLost(errno) ? "the connection to xenstored is lost" : Errno.text(errno);
    }
}
