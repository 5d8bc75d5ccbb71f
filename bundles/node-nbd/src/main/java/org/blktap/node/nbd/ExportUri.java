package org.blktap.node.nbd;

import org.blktap.api.disk.PercentCoding;

/** NBD URIs as libnbd, QEMU and nbdkit read them (doc/uri.md of NetworkBlockDevice/nbd). */
final class ExportUri {
    private ExportUri() {}

    static String unix(String socket, String export) {
        return "nbd+unix:///" + PercentCoding.encode(export) + "?socket=" + PercentCoding.encode(socket);
    }

    /**
     * @param authority host and port; the percent sign before an interface is coded (RFC 6874)
     * @param tls whether TLS is required
     */
    static String tcp(String authority, String export, boolean tls) {
        return (tls ? "nbds://" : "nbd://") + authority.replace("%", "%25") + "/" + PercentCoding.encode(export);
    }
}
