package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Waits for what comes in its own time, at most a minute. */
final class Eventually {
    private Eventually() {
    }

    static void holds(Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        while (!condition.call()) {
            assertTrue(System.nanoTime() - end < 0, "still not so after a minute");
            Thread.sleep(2);
        }
    }
}
