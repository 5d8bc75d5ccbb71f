package org.blktap.core;

import java.time.LocalTime;
import java.time.temporal.ChronoUnit;

/** Times of the day, for people. */
final class Clock {
    private Clock() {}

    /** The local time, to the second, of so many nanoseconds ago. */
    static String ago(long nanos) {
        return LocalTime.now().minusNanos(nanos).truncatedTo(ChronoUnit.SECONDS).toString();
    }
}
