package org.blktap.tls;

/** The end of a connection, which decides the names of the files. */
public enum TlsRole {
    /** Has a certificate, and asks clients for theirs. */
    SERVER("server"),
    /** May have a certificate, and verifies the server's and its name. */
    CLIENT("client");

    private final String prefix;

    TlsRole(String prefix) {
        this.prefix = prefix;
    }

    /** Returns the name of a file as QEMU and libnbd use it, such as {@code server-cert.pem}. */
    String file(String kind) {
        return prefix + "-" + kind + ".pem";
    }
}
