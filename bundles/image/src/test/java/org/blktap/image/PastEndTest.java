package org.blktap.image;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PastEndTest {
    @Test
    void entriesPastTheEndAreTold() {
        PastEnd past = new PastEnd(1000);
        past.look(3, 10, i -> i * 200);
        assertFalse(past.isStale(3, 4));
        assertTrue(past.isStale(3, 5));
        assertFalse(past.isLost(3));
        past.made(3);
        assertFalse(past.isStale(3, 5));
    }

    /** A small file may have any number of tables, by pointing at one of them again and again. */
    @Test
    void tooManyNotesLoseWholeTables() {
        PastEnd past = new PastEnd(1000);
        int entries = 1 << 18;
        for (int table = 0; table < 20_000; table++) {
            past.look(table, entries, i -> Long.MAX_VALUE);
        }
        assertTrue(past.isStale(0, 7) && !past.isLost(0));
        assertTrue(past.isStale(19_999, 7) && past.isLost(19_999));
        past.look(20_000, entries, i -> 0);
        assertFalse(past.isStale(20_000, 7) || past.isLost(20_000));
    }
}
