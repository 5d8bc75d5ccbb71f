package org.blktap.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

class UsedRangesTest {
    @Test
    void itIsABitSetOfUnits() {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        UsedRanges ranges = new UsedRanges(512);
        BitSet model = new BitSet();
        for (int i = 0; i < 300; i++) {
            // around the border of two chunks
            int first = (1 << 20) - 2000 + random.nextInt(4000);
            int count = 1 + random.nextInt(50);
            boolean free = model.get(first, first + count).isEmpty();
            assertEquals(!free, ranges.overlaps(first * 512L, count * 512L), "seed " + seed);
            if (random.nextInt(4) == 0) {
                ranges.add(first * 512L, count * 512L);
                model.set(first, first + count);
            }
        }
        int end = 1 << 20;
        assertEquals(model.get(0, end).cardinality() * 512L, ranges.bytesBelow(end * 512L), "seed " + seed);
        assertEquals(model.cardinality() * 512L, ranges.bytesBelow(1L << 40), "seed " + seed);
    }

    @Test
    void rangesAreRoundedOut() {
        UsedRanges ranges = new UsedRanges(512);
        ranges.add(1000, 30);
        assertTrue(ranges.overlaps(512, 1));
        assertTrue(ranges.overlaps(1535, 10));
        assertFalse(ranges.overlaps(0, 512));
        assertFalse(ranges.overlaps(1536, 1));
        assertEquals(1024, ranges.bytesBelow(2048));
    }

    @Test
    void farOffsetsCostNoMemory() {
        UsedRanges ranges = new UsedRanges(512);
        ranges.add(Long.MAX_VALUE / 2, 512);
        assertTrue(ranges.overlaps(Long.MAX_VALUE / 2, 1));
    }

    @Test
    void whatIsTooScatteredIsLookedAtInPasses() {
        UsedRanges ranges = UsedRanges.inPasses(512);
        int places = 1_200_000;
        long used = 0;
        long gaps = 0;
        int passes = 0;
        do {
            for (int i = 0; i < places; i++) {
                // every other unit, in no order
                ranges.add(i * 7_654_321L % places * 1024, 512);
            }
            used += ranges.bytesBelow(places * 1024L);
            long[] found = {0};
            ranges.gaps(places * 1024L, (offset, length) -> found[0] += length);
            gaps += found[0];
            passes++;
        } while (ranges.next());
        assertEquals(places * 512L, used);
        assertEquals(places * 512L, gaps);
        assertEquals(3, passes);
    }
}
