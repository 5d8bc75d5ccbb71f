package org.blktap.node.nbd;

import java.util.Locale;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;

/**
 * Whether an export, or a port with all its exports, is reached by TLS ("Server-side requirements" of the protocol).
 */
enum TlsMode {
    /** Without only; a port of that mode is NOTLS. */
    OFF,
    /** With or without, as the client likes; a port of that mode is SELECTIVETLS. */
    ALLOWED,
    /** With TLS only; a port of that mode is FORCEDTLS. */
    REQUIRED;

    /** @throws DiskException BAD_OPTION */
    static TlsMode of(String text) throws DiskException {
        for (TlsMode each : values()) {
            if (each.text().equals(text)) {
                return each;
            }
        }
        throw Options.bad("tls", text, "off, allowed or required");
    }

    String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
