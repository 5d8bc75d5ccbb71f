package org.blktap.client.nbd;

import java.util.concurrent.atomic.AtomicLong;
import org.blktap.api.engine.Errno;

/**
 * The writes of a disk that the server may lose with a connection: all that had not ended when the last successful
 * flush began. Thread-safe.
 */
final class Unflushed {
    /** Writes that have succeeded. */
    private final AtomicLong writes = new AtomicLong();
    /** How many of them are durable. */
    private long durable;

    private boolean lost;

    /** Counts a write that has succeeded. */
    void written() {
        writes.incrementAndGet();
    }

    /** Returns the number of writes that a flush beginning now makes durable, for {@link #flushed}. */
    long covered() {
        return writes.get();
    }

    /** Called when a connection has broken. */
    synchronized void broken() {
        lost |= writes.get() > durable;
    }

    /**
     * Called when a flush has succeeded.
     *
     * @param covered what {@link #covered} returned when the flush began
     * @return an errno, once, if a broken connection may have lost writes; else 0
     */
    synchronized int flushed(long covered) {
        durable = Math.max(durable, covered);
        int error = lost ? Errno.EIO : 0;
        lost = false;
        return error;
    }
}
