package org.blktap.node.nbd;

import org.blktap.api.disk.FileNames;

/** NBD URIs as libnbd, QEMU and nbdkit read them (doc/uri.md of NetworkBlockDevice/nbd). */
final class NbdUri {
    /** RFC 3986, unreserved; the slash may stand in paths and queries. */
    private static final String PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

    private NbdUri() {
    }

    static String unix(String socket, String export) {
        return "nbd+unix:///" + encode(export) + "?socket=" + encode(socket);
    }

    /** @param authority host and port */
    static String tcp(String authority, String export) {
        return "nbd://" + authority + "/" + encode(export);
    }

    private static String encode(String text) {
        StringBuilder encoded = new StringBuilder();
        for (byte b : FileNames.bytes(text)) {
            if (PLAIN.indexOf((char) (b & 0xff)) >= 0) {
                encoded.append((char) b);
            } else {
                encoded.append(String.format("%%%02X", b & 0xff));
            }
        }
        return encoded.toString();
    }
}
