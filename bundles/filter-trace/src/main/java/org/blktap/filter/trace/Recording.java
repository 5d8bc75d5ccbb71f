package org.blktap.filter.trace;

import org.blktap.api.disk.Operation;

/** Records requests as they come, in a ring that is emptied several times a second. One thread at a time. */
final class Recording {
    private static final int ROOM = 1 << 16;
    private static final int FIELDS = 4;

    private final long[] ring = new long[ROOM * FIELDS];
    private final long begunNanos;
    private int count;
    private long lost;

    Recording(long nowNanos) {
        begunNanos = nowNanos;
    }

    void add(Operation operation, long offset, long length, long nowNanos) {
        if (count == ROOM) {
            lost++;
            return;
        }
        int at = count++ * FIELDS;
        ring[at] = nowNanos - begunNanos;
        ring[at + 1] = operation.ordinal();
        ring[at + 2] = offset;
        ring[at + 3] = length;
    }

    /** Receives recorded requests. */
    interface To {
        void request(long nanos, Operation operation, long offset, long length);
    }

    /** Returns the number of requests for which there was no room. */
    long lost() {
        return lost;
    }

    /** Returns the recorded requests, and begins anew. */
    long[] take() {
        long[] taken = java.util.Arrays.copyOf(ring, count * FIELDS);
        count = 0;
        return taken;
    }

    /** Passes on each request of a result of {@link #take}. */
    static void each(long[] taken, To to) {
        for (int at = 0; at < taken.length; at += FIELDS) {
            to.request(taken[at], Operation.values()[(int) taken[at + 1]], taken[at + 2], taken[at + 3]);
        }
    }
}
