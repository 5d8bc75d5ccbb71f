package org.blktap.filter.throttle;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * What a member of a group uses, by limit. Written by the member's loop with opaque stores, which cost as much as plain
 * ones, and read by the member that assigns the shares; a slightly old value does no harm.
 */
final class Usage {
    private static final int COUNT = Limit.ALL.length;
    /** The time over which a rate is averaged. */
    private static final double MEMORY_SECONDS = 0.5;

    private final AtomicLongArray used = new AtomicLongArray(COUNT);
    private final AtomicIntegerArray waits = new AtomicIntegerArray(COUNT);
    private final AtomicIntegerArray waited = new AtomicIntegerArray(COUNT);
    /** The values at the last {@link #rate}, and the averages; guarded by the group's lock. */
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
     * Returns the average use per second.
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
