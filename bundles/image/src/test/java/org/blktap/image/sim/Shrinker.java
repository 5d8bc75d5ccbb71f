package org.blktap.image.sim;

import java.util.BitSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** Finds the steps that a failure does not need: leaves out halves, quarters and so on as long as the failure stays. */
final class Shrinker {
    private Shrinker() {}

    /**
     * @param steps number of steps
     * @param never steps that are left out already
     * @param fails whether the failure stays without these steps
     * @param milliseconds time after which the best result so far is returned
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
                // a step may be superfluous now that others are gone
                run = 2;
            }
        }
        return leftOut;
    }
}
