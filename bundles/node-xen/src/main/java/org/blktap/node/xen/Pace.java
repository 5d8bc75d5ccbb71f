package org.blktap.node.xen;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** Limits an event to a burst and then to an interval: a token bucket. One thread at a time. */
final class Pace {
    private final int atOnce;
    private final long everyNanos;
    private final LongSupplier clock;
    private int left;
    private long counted;

    Pace(int atOnce, long everyMilliseconds) {
        this(atOnce, everyMilliseconds, System::nanoTime);
    }

    Pace(int atOnce, long everyMilliseconds, LongSupplier clock) {
        this.atOnce = atOnce;
        this.everyNanos = TimeUnit.MILLISECONDS.toNanos(everyMilliseconds);
        this.clock = clock;
        left = atOnce;
        counted = clock.getAsLong();
    }

    /** Whether it may happen now. */
    boolean now() {
        long more = (clock.getAsLong() - counted) / everyNanos;
        counted += more * everyNanos;
        left = (int) Math.min(atOnce, left + more);
        if (left == 0) {
            return false;
        }
        left--;
        return true;
    }
}
