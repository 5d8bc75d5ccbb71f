package org.blktap.image.sim;

import java.util.BitSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** Finds out which steps of a failure it does not need: leaves out halves, quarters and so on as long as it still fails. */
final class Shrinker {
    private Shrinker() {
    }

    /**
     * @param steps how many there are
     * @param never which of them are left out already
     * @param fails whether it fails without these
     * @param milliseconds after which the best so far has to do
     * @return steps that can be left out together
     */
    static BitSet shrink(int steps, BitSet never, Predicate<BitSet> fails, long milliseconds) {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(milliseconds);
        BitSet leftOut = (BitSet) never.clone();
        for (int run = Math.max(1, steps / 2); run > 0; run /= 2) {
            boolean smaller = false;
            for (int first = leftOut.nextClearBit(0); first < steps; ) {
                if (System.nanoTime() > end) {
                    return leftOut;
                }
                BitSet without = (BitSet) leftOut.clone();
                int next = first;
                for (int i = 0; i < run && next < steps; i++) {
                    without.set(next);
                    next = without.nextClearBit(next);
                }
                if (fails.test(without)) {
                    leftOut = without;
                    smaller = true;
                }
                first = leftOut.nextClearBit(next);
            }
            if (run == 1 && smaller) {
                // a step may not be needed any more, now that others are gone
                run = 2;
            }
        }
        return leftOut;
    }
}
