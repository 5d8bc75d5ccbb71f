package org.blktap.api.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class PaceTest {
    private long now = Long.MAX_VALUE - 5;

    @Test
    void aBurstIsFollowedByOneInEachInterval() {
        Pace pace = new Pace(3, 1, () -> now);
        assertEquals(3, of(pace, 10));
        now += 999_999;
        assertEquals(0, of(pace, 10));
        // the clock may wrap
        now += 1;
        assertEquals(1, of(pace, 10));
        now += 1_000_000_000;
        assertEquals(3, of(pace, 10));
    }

    @Test
    void anIntervalBeginsWithTheBurst() {
        Pace pace = new Pace(1, 1, () -> now);
        now += 1_999_999;
        assertEquals(1, of(pace, 10));
        now += 999_999;
        assertEquals(0, of(pace, 10));
        now += 1;
        assertEquals(1, of(pace, 10));
    }

    private static int of(Pace pace, int tries) {
        int happened = 0;
        for (int i = 0; i < tries; i++) {
            happened += pace.now() ? 1 : 0;
        }
        return happened;
    }
}
