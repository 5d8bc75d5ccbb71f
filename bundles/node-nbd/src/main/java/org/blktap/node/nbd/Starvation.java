package org.blktap.node.nbd;

import java.util.List;
import org.blktap.api.engine.IoLoop;

/**
 * Looks after clients of one export that wait for buffers: lets them try again, and ends a client that keeps buffers
 * without taking its replies or sending its data. Loop only.
 */
final class Starvation {
    private static final long LOOK_MILLIS = 250;
    /** A client that moves less than that while others wait is stuck. */
    private static final long LEAST_MOVED = 1 << 20;

    private final IoLoop loop;
    private final List<ClientConnection> connections;
    private final long stuckNanos;
    private IoLoop.Timer timer;
    private long since;

    /** @param connections those of the export, as they come and go */
    Starvation(IoLoop loop, List<ClientConnection> connections, long stuckMillis) {
        this.loop = loop;
        this.connections = connections;
        stuckNanos = stuckMillis * 1_000_000;
    }

    /** A client waits for buffers. */
    void begins() {
        if (timer == null) {
            restart();
            timer = loop.schedule(this::look, LOOK_MILLIS);
        }
    }

    /** Whether some client has waited for buffers lately. */
    boolean isThere() {
        return timer != null;
    }

    /** Called when buffers have been returned. */
    void roomFreed() {
        if (timer != null) {
            retry();
        }
    }

    void close() {
        if (timer != null) {
            timer.cancel();
        }
    }

    private void restart() {
        since = System.nanoTime();
        for (ClientConnection connection : connections) {
            connection.progress().mark();
        }
    }

    private void retry() {
        for (ClientConnection connection : connections) {
            connection.progress().buffersFreed();
        }
    }

    private void look() {
        timer = null;
        boolean waiting = false;
        for (ClientConnection connection : connections) {
            waiting |= connection.starves();
        }
        if (!waiting) {
            return;
        }
        if (System.nanoTime() - since > stuckNanos) {
            endStuck();
            restart();
        }
        timer = loop.schedule(this::look, LOOK_MILLIS);
        retry();
    }

    private void endStuck() {
        ClientConnection worst = null;
        for (ClientConnection connection : connections) {
            if (connection.holdsUp()
                    && connection.progress().sinceMark() < LEAST_MOVED
                    && (worst == null || connection.held() > worst.held())) {
                worst = connection;
            }
        }
        if (worst != null) {
            worst.endAsStuck();
        }
    }
}
