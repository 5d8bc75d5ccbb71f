package org.blktap.http;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.tls.Credentials;
import org.blktap.tls.TcpEndpoint;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.server.ConnectionFactory;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** Jetty with limits of threads, connections, headers, and of the time that a client may take. Any thread. */
final class JettyServer implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.http");

    private static final int THREADS = 24;
    private static final int FEWEST_THREADS = 4;
    private static final int THREAD_IDLE_MILLIS = 30_000;
    /** The most connections at a time; further clients wait in the kernel's queue. */
    static final int CONNECTIONS = 256;

    private static final int BACKLOG = 128;
    private static final int HEADER_BYTES = 8 << 10;
    /** Time without a byte after which a connection ends. */
    private static final int IDLE_MILLIS = 30_000;

    private static final int STOP_MILLIS = 1000;

    private final Server server;
    private final List<ServerConnector> connectors = new ArrayList<>();
    private final boolean secure;

    /**
     * Starts the server.
     *
     * @param credentials null without TLS
     * @throws DiskException IO if it cannot listen
     */
    JettyServer(Handler guard, List<TcpEndpoint> endpoints, Credentials credentials) throws DiskException {
        secure = credentials != null;
        QueuedThreadPool threads = new QueuedThreadPool(THREADS, FEWEST_THREADS, THREAD_IDLE_MILLIS);
        threads.setName("blktap-http");
        threads.setDaemon(true);
        server = new Server(threads);
        server.setStopTimeout(0);
        server.setErrorHandler(new ProblemErrors());
        for (TcpEndpoint endpoint : endpoints) {
            ServerConnector connector = new ServerConnector(server, 1, 1, factories(credentials));
            connector.setHost(endpoint.address().getHostAddress());
            connector.setPort(endpoint.port());
            connector.setIdleTimeout(IDLE_MILLIS);
            connector.setAcceptQueueSize(BACKLOG);
            connector.setReuseAddress(true);
            connectors.add(connector);
            server.addConnector(connector);
        }
        server.addBean(new NetworkConnectionLimit(CONNECTIONS, server));
        Connections watch = new Connections(connectors);
        watch.setHandler(guard);
        server.setHandler(watch);
        try {
            server.start();
        } catch (Exception e) {
            close();
            throw new DiskException(DiskException.Reason.IO, endpoints + ": cannot listen: " + rootOf(e), e);
        }
    }

    private static String rootOf(Throwable e) {
        return e instanceof IOException && e.getCause() != null ? e.getCause().getMessage() : e.getMessage();
    }

    private static ConnectionFactory[] factories(Credentials credentials) {
        HttpConfiguration http = new HttpConfiguration();
        http.setRequestHeaderSize(HEADER_BYTES);
        http.setResponseHeaderSize(HEADER_BYTES);
        http.setSendServerVersion(false);
        // refuses paths that two parts of the server could read differently
        http.setUriCompliance(UriCompliance.DEFAULT);
        HttpConnectionFactory plain = new HttpConnectionFactory(http);
        if (credentials == null) {
            return new ConnectionFactory[] {plain};
        }
        // the guard checks names
        http.addCustomizer(new SecureRequestCustomizer(false));
        return new ConnectionFactory[] {
            new SslConnectionFactory(new TlsEngines(credentials), plain.getProtocol()), plain
        };
    }

    /** Returns where it listens. */
    List<String> urls() {
        return connectors.stream()
                .map(each -> {
                    String host = each.getHost();
                    return (secure ? "https://" : "http://") + (host.contains(":") ? "[" + host + "]" : host) + ":"
                            + each.getLocalPort() + "/";
                })
                .toList();
    }

    int connections() {
        return connectors.stream()
                .mapToInt(each -> each.getConnectedEndPoints().size())
                .sum();
    }

    @Override
    public void close() {
        try {
            server.stop();
        } catch (Exception e) {
            LOG.log(Level.WARNING, "HTTP: " + e);
        }
        server.destroy();
    }
}
