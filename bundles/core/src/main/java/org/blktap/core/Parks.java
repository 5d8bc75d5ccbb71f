package org.blktap.core;

import java.util.concurrent.TimeUnit;

/** How often an attachment was parked, and for how long in all. Thread-safe. */
final class Parks {
    private long count;
    private long nanos;
    /** When it was parked, {@link System#nanoTime}. */
    private long since;

    private boolean parked;

    synchronized void begin() {
        if (!parked) {
            parked = true;
            since = System.nanoTime();
            count++;
        }
    }

    synchronized void end() {
        if (parked) {
            parked = false;
            nanos += System.nanoTime() - since;
        }
    }

    synchronized long count() {
        return count;
    }

    synchronized long millis() {
        return TimeUnit.NANOSECONDS.toMillis(nanos + (parked ? System.nanoTime() - since : 0));
    }
}
