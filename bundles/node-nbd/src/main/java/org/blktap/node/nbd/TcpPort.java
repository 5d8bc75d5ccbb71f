package org.blktap.node.nbd;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.tls.Credentials;
import org.blktap.tls.Subjects;
import org.blktap.tls.TcpEndpoint;
import org.blktap.tls.TlsRole;

/**
 * The TCP port that an export asks for.
 *
 * @param at where
 * @param access who may use the export there
 * @param credentials null without TLS
 */
record TcpPort(TcpEndpoint at, ExportAccess access, Credentials credentials) {
    /**
     * Returns what the options {@code tcp}, {@code tls}, {@code subjects} and {@code certificates} of a node ask for,
     * or null if that is no port. All nodes pass here, whether an option, a setting or a record of the attachment has
     * decided: what is reached from other hosts has TLS.
     *
     * @throws DiskException BAD_OPTION, or what is wrong with the certificates
     */
    static TcpPort of(Options options, NbdSettings settings) throws DiskException {
        TcpEndpoint at = TcpEndpoint.of("tcp", options.text("tcp", null));
        String mode = options.text("tls", null);
        String subjects = options.text("subjects", null);
        String certificates = options.text("certificates", null);
        if (at == null) {
            if (mode != null || subjects != null || certificates != null) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        "tls, subjects and certificates are options of a TCP port, and the export has none; add tcp=PORT");
            }
            return null;
        }
        TlsMode tls = TlsMode.of(mode == null ? settings.tls() : mode);
        if (tls != TlsMode.REQUIRED && !at.isLoopback()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "the port " + at + " is reached from other hosts, and clients without TLS would be let in there;"
                            + " add tls=required, or use a port of 127.0.0.1");
        }
        if (tls != TlsMode.REQUIRED && subjects != null) {
            throw new DiskException(
                    Reason.BAD_OPTION, "subjects would be of no use for clients without TLS; add tls=required");
        }
        if (tls == TlsMode.OFF) {
            return new TcpPort(at, ExportAccess.OPEN, null);
        }
        Path directory = directory(certificates == null ? settings.tls_directory() : certificates);
        return new TcpPort(
                at, new ExportAccess(tls, Subjects.of(subjects)), Credentials.read(directory, TlsRole.SERVER));
    }

    private static Path directory(String text) throws DiskException {
        try {
            Path directory = FileNames.path(text);
            if (directory.isAbsolute()) {
                return directory.normalize();
            }
        } catch (InvalidPathException e) {
            // reported below
        }
        throw Options.bad("certificates", text, "the absolute path of a directory");
    }
}
