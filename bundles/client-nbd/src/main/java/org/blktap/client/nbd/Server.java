package org.blktap.client.nbd;

import javax.net.ssl.SSLEngine;
import org.blktap.tls.Credentials;

/**
 * A server and how it is spoken to.
 *
 * @param credentials null without TLS
 */
record Server(NbdUri uri, Credentials credentials) {
    boolean hasTls() {
        return credentials != null;
    }

    /** An engine for a new connection; reads certificates that have changed. */
    SSLEngine engine() {
        return credentials.clientEngine(uri.tls().host(), uri.tls().port());
    }
}
