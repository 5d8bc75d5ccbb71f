package org.blktap.metrics;

import io.prometheus.metrics.exporter.httpserver.HTTPServer;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The library's HTTP server at a loopback port. {@code bin/blktapd} limits its clients and how long they may take
 * ({@code sun.net.httpserver}).
 */
record LoopbackServer(HTTPServer server, ExecutorService threads) implements AutoCloseable {
    /**
     * As many threads as there can be clients: a slow client holds its thread until it is disconnected, and delays no
     * other.
     */
    private static final int THREADS = 64;

    private static final int IDLE_SECONDS = 10;

    static LoopbackServer start(InetSocketAddress address, PrometheusRegistry registry) throws IOException {
        ExecutorService threads =
                new ThreadPoolExecutor(0, THREADS, IDLE_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(), task -> {
                    Thread thread = new Thread(task, "blktap-metrics-http");
                    thread.setDaemon(true);
                    return thread;
                });
        try {
            return new LoopbackServer(
                    HTTPServer.builder()
                            .inetAddress(address.getAddress())
                            .port(address.getPort())
                            .executorService(threads)
                            .registry(registry)
                            .registerHealthHandler(false)
                            .buildAndStart(),
                    threads);
        } catch (IOException | RuntimeException e) {
            threads.shutdownNow();
            throw e;
        }
    }

    @Override
    public void close() {
        server.close();
        threads.shutdownNow();
    }
}
