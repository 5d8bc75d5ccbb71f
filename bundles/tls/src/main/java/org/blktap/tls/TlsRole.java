package org.blktap.tls;

/** Which end of a connection; decides the names of the files. */
public enum TlsRole {
    /** Must have a certificate, and asks clients for theirs. */
    SERVER("server"),
    /** May have a certificate, and verifies the server's and its name. */
    CLIENT("client");

    private final String prefix;

    TlsRole(String prefix) {
        this.prefix = prefix;
    }

    /** The file's name as QEMU and libnbd have it, such as {@code server-cert.pem}. */
    String file(String kind) {
        return prefix + "-" + kind + ".pem";
    }
}
