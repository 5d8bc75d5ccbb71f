package org.blktap.api.metrics;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.TimeUnit;

/**
 * The greatest of the values that were noted in the last 30 to 60 seconds. One thread notes, with opaque stores, which
 * cost what plain ones do; any thread reads. Times are of {@link System#nanoTime}.
 */
public final class RecentPeak {
    private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(30);

    private static final VarHandle END = handle("end");
    private static final VarHandle PRESENT = handle("present");
    private static final VarHandle BEFORE = handle("before");

    /** When the present window ends. */
    private long end = System.nanoTime() + WINDOW_NANOS;
    /** The greatest value of the present window. */
    private long present;
    /** That of the window before. */
    private long before;

    private static VarHandle handle(String field) {
        try {
            return MethodHandles.lookup().findVarHandle(RecentPeak.class, field, long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Notes a value that is not negative. Its owner's thread only. */
    public void note(long value, long nowNanos) {
        if (nowNanos - end >= 0) {
            next(nowNanos);
        }
        if (value > present) {
            PRESENT.setOpaque(this, value);
        }
    }

    private void next(long nowNanos) {
        BEFORE.setOpaque(this, nowNanos - end < WINDOW_NANOS ? present : 0);
        PRESENT.setOpaque(this, 0);
        END.setOpaque(this, nowNanos + WINDOW_NANOS);
    }

    /** The greatest value; 0 if none was noted. Any thread. */
    public long get(long nowNanos) {
        long late = nowNanos - (long) END.getOpaque(this);
        if (late >= WINDOW_NANOS) {
            return 0;
        }
        long latest = (long) PRESENT.getOpaque(this);
        return late >= 0 ? latest : Math.max(latest, (long) BEFORE.getOpaque(this));
    }
}
