package org.blktap.shell.command;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.blktap.api.command.Call;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/** Intervals of verbs that print repeatedly, and the waits in between. */
final class Intervals {
    private static final double SHORTEST_SECONDS = 0.1;
    private static final double LONGEST_SECONDS = 86_400;
    /** Interval at which a wait looks whether the caller has gone. */
    private static final long LOOK_MILLIS = 100;

    private Intervals() {}

    /** @throws DiskException BAD_OPTION */
    static Duration of(double seconds) throws DiskException {
        if (!(seconds >= SHORTEST_SECONDS && seconds <= LONGEST_SECONDS)) {
            throw new DiskException(
                    Reason.BAD_OPTION, "--interval " + seconds + ": expected seconds, from 0.1 to 86400");
        }
        return Duration.ofNanos((long) (seconds * TimeUnit.SECONDS.toNanos(1)));
    }

    /**
     * Waits until a time of {@link System#nanoTime}; returns false if the caller has interrupted the call or has gone.
     */
    static boolean awaits(Call call, long until) throws InterruptedException {
        while (!call.cancelled()) {
            long left = TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime());
            if (left <= 0) {
                return true;
            }
            Thread.sleep(Math.min(left, LOOK_MILLIS));
        }
        return false;
    }
}
