package org.blktap.filter.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class TimesTest {
    @Test
    void percentilesAreRightWithinAnEighth() {
        Times times = new Times();
        assertEquals(0, times.percentile(0.5));
        for (long value = 1; value <= 100_000; value++) {
            times.add(value);
        }
        times.add(-5);
        assertEquals(100_001, times.count());
        assertEquals(100_000, times.most());
        for (double part : new double[] {0.1, 0.5, 0.9, 0.99}) {
            double expected = part * 100_000;
            assertTrue(
                    Math.abs(times.percentile(part) - expected) <= expected / 8, part + ": " + times.percentile(part));
        }
        assertEquals(100_000, times.percentile(1), 100_000 / 8.0);
        times.add(Long.MAX_VALUE);
        assertEquals(Long.MAX_VALUE, times.most());
    }
}
