package org.blktap.linux;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.blktap.api.metrics.RecentPeak;

/**
 * What a loop counts of its turns. The loop writes it once a turn, with opaque stores, which cost what plain ones do;
 * any thread reads.
 */
final class TurnCounters {
    private static final VarHandle TURNS = handle("turns");
    private static final VarHandle BUSY = handle("busyNanos");

    private long turns;
    private long busyNanos;
    private final RecentPeak longest = new RecentPeak();

    private static VarHandle handle(String field) {
        try {
            return MethodHandles.lookup().findVarHandle(TurnCounters.class, field, long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Counts a turn. Loop only. */
    void ended(long tookNanos, long nowNanos) {
        TURNS.setOpaque(this, turns + 1);
        BUSY.setOpaque(this, busyNanos + tookNanos);
        longest.note(tookNanos, nowNanos);
    }

    long turns() {
        return (long) TURNS.getOpaque(this);
    }

    /** How long the loop was awake in all the turns. */
    long busyNanos() {
        return (long) BUSY.getOpaque(this);
    }

    /** The longest turn of the last 30 to 60 seconds, as {@link RecentPeak} has it. */
    long longestNanos(long nowNanos) {
        return longest.get(nowNanos);
    }
}
