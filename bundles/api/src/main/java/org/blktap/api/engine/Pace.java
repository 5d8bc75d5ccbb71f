package org.blktap.api.engine;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** Limits an event to a burst and then to an interval: a token bucket. One thread at a time. */
public final class Pace {
    private final int atOnce;
    private final long everyNanos;
    private final LongSupplier clock;
    private int left;
    private long counted;

    public Pace(int atOnce, long everyMilliseconds) {
        this(atOnce, everyMilliseconds, System::nanoTime);
    }

    /** @param clock nanoseconds, as {@link System#nanoTime} has them */
    public Pace(int atOnce, long everyMilliseconds, LongSupplier clock) {
        this.atOnce = atOnce;
        this.everyNanos = TimeUnit.MILLISECONDS.toNanos(everyMilliseconds);
        this.clock = clock;
        left = atOnce;
        counted = clock.getAsLong();
    }

    /** Whether the event may happen now; if so, counts it. */
    public boolean now() {
        long time = clock.getAsLong();
        long more = (time - counted) / everyNanos;
        counted += more * everyNanos;
        left = (int) Math.min(atOnce, left + more);
        if (left == 0) {
            return false;
        }
        if (left == atOnce) {
            counted = time;
        }
        left--;
        return true;
    }
}
