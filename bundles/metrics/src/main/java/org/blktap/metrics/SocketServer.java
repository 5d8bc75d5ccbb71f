package org.blktap.metrics;

import io.prometheus.metrics.exporter.common.PrometheusScrapeHandler;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.LimitedLog;

/**
 * Answers scrapes at a unix socket, where the JDK's HTTP server cannot listen: one client after the other, one request
 * for each connection, and a few seconds for each client. The library makes the answers.
 */
final class SocketServer implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.metrics");
    /** Time limit for a client's request and for reading the answer. */
    static final long CLIENT_SECONDS = 5;

    private static final long PAUSE_MILLIS = 100;
    private static final int LINES_AT_ONCE = 5;
    private static final long LINE_MILLIS = 60_000;

    private final SocketFile socket;
    private final PrometheusScrapeHandler handler;
    private final LimitedLog log;
    private final ScheduledThreadPoolExecutor timer = new ScheduledThreadPoolExecutor(1, SocketServer::daemon);
    private volatile boolean closed;
    /** The client that is being served, or was served last. */
    private volatile SocketChannel served;

    /** @param socket closed by the server */
    SocketServer(SocketFile socket, PrometheusRegistry registry) {
        this.socket = socket;
        handler = new PrometheusScrapeHandler(registry);
        log = new LimitedLog(LOG, socket.path().toString(), LINES_AT_ONCE, LINE_MILLIS);
        timer.setRemoveOnCancelPolicy(true);
        daemon(this::run).start();
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "blktap-metrics");
        thread.setDaemon(true);
        return thread;
    }

    private void run() {
        while (!closed) {
            try (SocketChannel client = socket.accept()) {
                serve(client);
            } catch (ClosedChannelException e) {
                // closed, or a client that took too long
                log.log(Level.DEBUG, "a client was cut off");
            } catch (IOException | RuntimeException e) {
                log.log(Level.WARNING, "a client was not answered: " + e);
                pause();
            }
        }
    }

    private void serve(SocketChannel client) throws IOException {
        served = client;
        if (closed) {
            return;
        }
        ScheduledFuture<?> end = timer.schedule(() -> cut(client), CLIENT_SECONDS, TimeUnit.SECONDS);
        try {
            Exchange exchange = Exchange.read(client);
            if (exchange != null) {
                handler.handleRequest(exchange);
            }
        } finally {
            end.cancel(false);
        }
    }

    private static void cut(SocketChannel client) {
        try {
            client.close();
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "metrics: " + e);
        }
    }

    /** Waits a moment, since accept fails at once while there are no descriptors left. */
    private static void pause() {
        try {
            Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() throws IOException {
        closed = true;
        timer.shutdownNow();
        socket.close();
        if (served != null) {
            served.close();
        }
    }
}
