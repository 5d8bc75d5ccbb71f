package org.blktap.node.xen;

import java.io.IOException;
import org.blktap.api.engine.Errno;

/** What xenstored refused, or could not be asked. */
final class XenStoreException extends IOException {
    private static final long serialVersionUID = 1;
    // Linux's numbers (asm-generic/errno.h) of a connection that is gone; xenstored itself never answers with them
    // (xsd_errors of xen/io/xs_wire.h)
    static final int EBADF = 9;
    private static final int EPIPE = 32;
    private static final int ECONNRESET = 104;
    private static final int ENOTCONN = 107;

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

    private static boolean isLost(int errno) {
        return errno == EBADF || errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;
    }

    private static String text(int errno) {
        return isLost(errno) ? "the connection to xenstored is lost" : Errno.text(errno);
    }
}
