package org.blktap.filter.throttle;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * What a member of a group uses, by limit. Written by its own loop with opaque stores, which cost what plain ones do,
 * and read by whichever member makes the shares; a value that is a moment old does no harm.
 */
final class Usage {
    private static final int COUNT = Limit.ALL.length;
    /** The time over which a rate is averaged. */
    private static final double MEMORY_SECONDS = 0.5;

    private final AtomicLongArray used = new AtomicLongArray(COUNT);
    private final AtomicIntegerArray waits = new AtomicIntegerArray(COUNT);
    private final AtomicIntegerArray waited = new AtomicIntegerArray(COUNT);
    /** The values at the last {@link #rate}, and the averages; under the group's lock. */
    private final long[] seen = new long[COUNT];

    private final double[] average = new double[COUNT];

    /** Own loop only. */
    void add(int limit, double cost) {
        used.setOpaque(limit, used.getPlain(limit) + (long) cost);
    }

    /** Own loop only. */
    void waits(int limit, boolean waiting) {
        waits.setOpaque(limit, waiting ? 1 : 0);
        if (waiting) {
            waited.setOpaque(limit, 1);
        }
    }

    /**
     * What is used a second, averaged.
     *
     * @param seconds since the last call
     */
    double rate(int limit, double seconds) {
        long now = used.getOpaque(limit);
        double latest = (now - seen[limit]) / seconds;
        seen[limit] = now;
        average[limit] += (latest - average[limit]) * (1 - Math.exp(-seconds / MEMORY_SECONDS));
        return average[limit];
    }

    /** Whether requests wait because of a limit, or have since the last call. */
    boolean waited(int limit) {
        boolean before = waited.getOpaque(limit) != 0;
        waited.setOpaque(limit, 0);
        return before || waits.getOpaque(limit) != 0;
    }
}
