package org.blktap.api.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class RecentPeakTest {
    private final RecentPeak peak = new RecentPeak();
    private final long start = System.nanoTime();

    private long at(long seconds) {
        return start + TimeUnit.SECONDS.toNanos(seconds);
    }

    @Test
    void aPeakIsKeptForAWindowAndTheNext() {
        assertEquals(0, peak.get(at(0)));
        peak.note(5, at(10));
        peak.note(3, at(11));
        assertEquals(5, peak.get(at(20)));
        peak.note(2, at(32));
        assertEquals(5, peak.get(at(40)));
        peak.note(1, at(63));
        assertEquals(2, peak.get(at(64)), "5 was noted 53 seconds ago, but the window of 32 begins later");
    }

    @Test
    void whatWasNotedLongAgoIsForgottenAlsoIfNothingFollows() {
        peak.note(5, at(10));
        assertEquals(5, peak.get(at(59)));
        assertEquals(0, peak.get(at(61)));
        peak.note(1, at(500));
        assertEquals(1, peak.get(at(501)));
    }
}
