package org.blktap.tls;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.LimitedLog;

/**
 * The certificates of a directory, from which engines for connections are made. Files that have changed are read again
 * with the next engine; if they cannot be used, what was read before stays in use, with a line in the log. Blocking, as
 * it reads files and computes; any thread.
 */
public final class Credentials {
    private static final String[] PROTOCOLS = {"TLSv1.3", "TLSv1.2"};
    /**
     * Cipher suites in the server's order. AES with 128 bits comes first, since it is the fastest (RFC 8446 makes it
     * mandatory); ChaCha20 comes last, since Java has no vector code for it before 20.
     */
    private static final String[] SUITES = {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
    };
    /** Interval of log lines about files that cannot be used. */
    private static final long LINE_MILLIS = 10_000;

    private final Path directory;
    private final TlsRole role;
    private final LimitedLog log = new LimitedLog(System.getLogger("org.blktap.tls"), "", 1, LINE_MILLIS);
    private SSLContext context;
    private List<String> seen;

    private Credentials(Path directory, TlsRole role) throws DiskException {
        this.directory = directory;
        this.role = role;
        seen = stamps();
        context = TlsFiles.load(directory, role);
    }

    /**
     * Reads {@code ca-cert.pem}, perhaps {@code ca-crl.pem}, and the certificate and key of a role; those of a client
     * may be missing.
     *
     * @throws DiskException NOT_FOUND, BAD_OPTION or IO, naming the file
     */
    public static Credentials read(Path directory, TlsRole role) throws DiskException {
        return new Credentials(directory, role);
    }

    public Path directory() {
        return directory;
    }

    /** Makes an engine for the server's end of a connection, which requires a certificate of the client. */
    public SSLEngine serverEngine() {
        SSLEngine engine = current().createSSLEngine();
        engine.setUseClientMode(false);
        SSLParameters parameters = parameters(engine);
        parameters.setNeedClientAuth(true);
        engine.setSSLParameters(parameters);
        return engine;
    }

    /**
     * Makes an engine for the client's end of a connection.
     *
     * @param host the name or address that the server's certificate must be for
     */
    public SSLEngine clientEngine(String host, int port) {
        SSLEngine engine = current().createSSLEngine(host, port);
        engine.setUseClientMode(true);
        SSLParameters parameters = parameters(engine);
        // RFC 2818: checks the subject alternative names, or, if there are none, the common name
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        engine.setSSLParameters(parameters);
        return engine;
    }

    private static SSLParameters parameters(SSLEngine engine) {
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setProtocols(PROTOCOLS);
        parameters.setCipherSuites(SUITES);
        parameters.setUseCipherSuitesOrder(true);
        return parameters;
    }

    private synchronized SSLContext current() {
        List<String> now = stamps();
        if (!now.equals(seen)) {
            // also after a failure, so that the same files are not read again
            seen = now;
            try {
                context = TlsFiles.load(directory, role);
            } catch (DiskException e) {
                log.log(
                        Level.WARNING,
                        "changed certificates cannot be used, those from before stay in use: " + e.getMessage());
            }
        }
        return context;
    }

    /** Returns values that change when a file is written or replaced. */
    private List<String> stamps() {
        List<String> stamps = new ArrayList<>();
        for (Path file : TlsFiles.of(directory, role)) {
            try {
                Map<String, Object> attributes = Files.readAttributes(file, "unix:ino,size,lastModifiedTime,ctime");
                stamps.add(attributes.get("ino") + " " + attributes.get("size") + " "
                        + attributes.get("lastModifiedTime") + " " + attributes.get("ctime"));
            } catch (IOException e) {
                stamps.add("");
            }
        }
        return stamps;
    }
}
