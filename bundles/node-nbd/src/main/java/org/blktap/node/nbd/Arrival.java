package org.blktap.node.nbd;

import java.nio.ByteBuffer;
import org.blktap.linux.Libc;

/**
 * A client whose handshake is done, on its way to its attachment.
 *
 * @param fd its socket, owned
 * @param tls owned; null without TLS
 * @param early bytes that came with the handshake
 */
record Arrival(int fd, TlsTransport tls, Session session, ByteBuffer early) {
    Transport transport() {
        return tls == null ? new PlainTransport(fd) : tls;
    }

    /** Turns the client away. */
    void refuse() {
        if (tls != null) {
            tls.close();
        }
        Libc.close(fd);
    }
}
