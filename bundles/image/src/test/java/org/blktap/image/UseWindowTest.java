package org.blktap.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class UseWindowTest {
    @Test
    void manyWindowsFindWhatOneFinds() {
        Random random = new Random(7);
        for (int round = 0; round < 300; round++) {
            int units = 1 + random.nextInt(200);
            int[][] ranges = new int[random.nextInt(12)][];
            for (int i = 0; i < ranges.length; i++) {
                int from = random.nextInt(units);
                ranges[i] = new int[] {from, 1 + random.nextInt(Math.min(30, units - from))};
            }
            BitSet model = new BitSet();
            boolean overlap = false;
            for (int[] range : ranges) {
                overlap |= !model.get(range[0], range[0] + range[1]).isEmpty();
                model.set(range[0], range[0] + range[1]);
            }
            List<Long> runs = new ArrayList<>();
            for (int at = model.nextClearBit(0); at < units; at = model.nextClearBit(at)) {
                int to = model.nextSetBit(at);
                to = to < 0 ? units : to;
                runs.add((to - at) * 8L);
                at = to;
            }
            UseWindow window = new UseWindow(8, units * 8L, 1 + random.nextInt(units + 3));
            List<Long> found = new ArrayList<>();
            boolean free = true;
            while (window.next()) {
                for (int[] range : ranges) {
                    free &= window.claim(range[0] * 8L, range[1] * 8L);
                }
                window.freeRuns(found::add);
            }
            assertEquals(!overlap, free);
            assertEquals(model.cardinality() * 8L, window.markedBytes());
            assertEquals(runs, found);
        }
    }

    @Test
    void rangesAreMarkedToTheUnit() {
        UseWindow window = new UseWindow(512, 10 * 512, 4);
        List<Long> runs = new ArrayList<>();
        int windows = 0;
        int overlaps = 0;
        while (window.next()) {
            assertEquals(windows++ == 0, window.isFirst());
            overlaps += window.claim(512, 512) ? 0 : 1;
            overlaps += window.claim(3 * 512, 1024) ? 0 : 1;
            overlaps += window.claim(4 * 512 + 100, 10) ? 0 : 1;
            window.freeRuns(runs::add);
        }
        assertEquals(3, windows);
        assertEquals(1, overlaps);
        assertEquals(3 * 512, window.markedBytes());
        assertEquals(List.of(512L, 512L, 5 * 512L), runs);
        assertFalse(new UseWindow(512, 0).next());
    }
}
