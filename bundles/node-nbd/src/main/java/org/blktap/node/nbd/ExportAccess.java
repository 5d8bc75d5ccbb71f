package org.blktap.node.nbd;

import javax.security.auth.x500.X500Principal;
import org.blktap.tls.Subjects;

/**
 * Who may use an export through a TCP port.
 *
 * @param tls whether TLS is required
 * @param subjects whose certificates are accepted; without TLS they are not asked
 */
record ExportAccess(TlsMode tls, Subjects subjects) {
    /** Anyone, without TLS. */
    static final ExportAccess OPEN = new ExportAccess(TlsMode.OFF, Subjects.ANY);

    /** An answer to a client. */
    enum Verdict {
        YES,
        /** With TLS only. */
        NEEDS_TLS,
        /** Not with this certificate. */
        OTHER_SUBJECT
    }

    /** @param peer whom the client's certificate names, or null without TLS */
    Verdict of(X500Principal peer) {
        if (peer == null) {
            return tls == TlsMode.REQUIRED ? Verdict.NEEDS_TLS : Verdict.YES;
        }
        return subjects.allow(peer) ? Verdict.YES : Verdict.OTHER_SUBJECT;
    }
}
