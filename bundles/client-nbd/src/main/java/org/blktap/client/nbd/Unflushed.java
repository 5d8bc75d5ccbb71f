package org.blktap.client.nbd;

import java.util.concurrent.atomic.AtomicLong;
import org.blktap.api.engine.Errno;

/** The writes of a disk that the server may lose with a connection: those that had ended when a flush began are not among them after it. Thread-safe. */
final class Unflushed {
    /** Writes that have ended well. */
    private final AtomicLong writes = new AtomicLong();
    /** How many of them are durable. */
    private long durable;
    private boolean lost;

    /** A write has ended well. */
    void written() {
        writes.incrementAndGet();
    }

    /** The writes that a flush which begins now makes durable, for {@link #flushed}. */
    long covered() {
        return writes.get();
    }

    /** A connection has broken. */
    synchronized void broken() {
        lost |= writes.get() > durable;
    }

    /**
     * A flush has ended well.
     *
     * @param covered at its beginning
     * @return an error if a broken connection may have lost writes; once
     */
    synchronized int flushed(long covered) {
        durable = Math.max(durable, covered);
        int error = lost ? Errno.EIO : 0;
        lost = false;
        return error;
    }
}
