package org.blktap.node.xen;

import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Waits for what comes in its own time, at most {@code -Dtest.patience} seconds, two minutes by default. */
final class Eventually {
    private Eventually() {
    }

    static void holds(String what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Integer.getInteger("test.patience", 120));
        for (int i = 0; !condition.call(); i++) {
            if (System.nanoTime() - end > 0) {
                throw new AssertionError("still not so after that long: " + what);
            }
            if (i < 200) {
                Thread.yield();
            } else {
                Thread.sleep(1);
            }
        }
    }
}
