package org.blktap.http;

import java.net.InetSocketAddress;
import java.security.NoSuchAlgorithmException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import org.blktap.tls.Credentials;
import org.eclipse.jetty.util.ssl.SslContextFactory;

/**
 * Gives Jetty TLS engines for the certificates of a directory, which are read again when they have changed. A client
 * may show a certificate; one that cannot be verified ends the connection.
 */
final class TlsEngines extends SslContextFactory.Server {
    private final Credentials credentials;

    TlsEngines(Credentials credentials) {
        this.credentials = credentials;
        // not used for connections; without one Jetty would look for a key store
        setSslContext(anyContext());
    }

    private static SSLContext anyContext() {
        try {
            return SSLContext.getDefault();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public SSLEngine newSSLEngine() {
        SSLEngine engine = credentials.serverEngine();
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setWantClientAuth(true);
        engine.setSSLParameters(parameters);
        return engine;
    }

    @Override
    public SSLEngine newSSLEngine(String host, int port) {
        return newSSLEngine();
    }

    @Override
    public SSLEngine newSSLEngine(InetSocketAddress address) {
        return newSSLEngine();
    }
}
