package org.blktap.filter.trace;

import org.blktap.api.filter.Substitute;
import org.blktap.filter.trace.TracedDisk.Ended;

/** A request on its way, with the time of each {@link Stretch}. Loop only. */
final class TracedRequest extends Substitute {
    /** Counts the uses of this object, so that an operation that ends after its request is not added to the next. */
    int use;

    long begunNanos;
    /** Number of requests that were below this filter when this one came. */
    int before;
    /** Times by {@link Stretch}; that of the format is the rest. */
    final long[] nanos = new long[Stretch.ALL.length];
    /** Number of file operations of this request in flight. */
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
        // the time at which the turn began, a little earlier
        nanos[Stretch.ABOVE.ordinal()] = takenNanos() == 0 ? 0 : Math.max(0, now - takenNanos());
        nanos[Stretch.ENGINE.ordinal()] = 0;
        nanos[Stretch.DEVICE.ordinal()] = 0;
    }

    /** Called when a file operation begins. Returns whether it is the only one. */
    boolean operationBegins(long now) {
        if (operations++ == 0) {
            busySince = now;
            return true;
        }
        return false;
    }

    /** @param engineNanos how long the operation waited for the engine */
    void operationEnds(long now, long engineNanos) {
        nanos[Stretch.ENGINE.ordinal()] += engineNanos;
        nanos[Stretch.DEVICE.ordinal()] -= engineNanos;
        if (--operations == 0) {
            nanos[Stretch.DEVICE.ordinal()] += now - busySince;
        }
    }

    /** Fills in the rest, and returns the total time. */
    long ends(long now) {
        if (operations != 0) {
            // the request has ended without waiting for them
            nanos[Stretch.DEVICE.ordinal()] += now - busySince;
        }
        long below = now - begunNanos;
        nanos[Stretch.FORMAT.ordinal()] =
                Math.max(0, below - nanos[Stretch.ENGINE.ordinal()] - nanos[Stretch.DEVICE.ordinal()]);
        return below + nanos[Stretch.ABOVE.ordinal()];
    }
}
