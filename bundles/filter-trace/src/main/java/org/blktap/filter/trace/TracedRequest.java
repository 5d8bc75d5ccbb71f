package org.blktap.filter.trace;

import org.blktap.api.filter.Substitute;
import org.blktap.filter.trace.TracedDisk.Ended;

/** A request on its way, with the times of what it passes. Loop only. */
final class TracedRequest extends Substitute {
    /** Counts the uses of this object, so that an operation that ends after its request is not added to the next. */
    int use;

    long begunNanos;
    /** Requests that were below this filter when it came. */
    int before;
    /** By {@link Stretch}; the format's is the rest. */
    final long[] nanos = new long[Stretch.ALL.length];
    /** File operations of this request that are under way. */
    private int operations;

    private long busySince;

    TracedRequest(Ended ended) {
        super(request -> ended.ended((TracedRequest) request));
    }

    void begins(long now, int inFlight) {
        use++;
        begunNanos = now;
        before = inFlight;
        operations = 0;
        // the time of a turn, which began a little earlier
        nanos[Stretch.ABOVE.ordinal()] = takenNanos() == 0 ? 0 : Math.max(0, now - takenNanos());
        nanos[Stretch.ENGINE.ordinal()] = 0;
        nanos[Stretch.DEVICE.ordinal()] = 0;
    }

    /** A file operation begins. Returns whether it is the only one. */
    boolean operationBegins(long now) {
        if (operations++ == 0) {
            busySince = now;
            return true;
        }
        return false;
    }

    /** @param engineNanos of that, how long it waited for the engine */
    void operationEnds(long now, long engineNanos) {
        nanos[Stretch.ENGINE.ordinal()] += engineNanos;
        nanos[Stretch.DEVICE.ordinal()] -= engineNanos;
        if (--operations == 0) {
            nanos[Stretch.DEVICE.ordinal()] += now - busySince;
        }
    }

    /** Fills in what is left, and returns the time of all. */
    long ends(long now) {
        if (operations != 0) {
            // the answer did not wait for them
            nanos[Stretch.DEVICE.ordinal()] += now - busySince;
        }
        long below = now - begunNanos;
        nanos[Stretch.FORMAT.ordinal()] =
                Math.max(0, below - nanos[Stretch.ENGINE.ordinal()] - nanos[Stretch.DEVICE.ordinal()]);
        return below + nanos[Stretch.ABOVE.ordinal()];
    }
}
