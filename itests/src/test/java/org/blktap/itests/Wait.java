package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.fail;

import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Waits for a condition: polls, with a limit that outlasts a stall of the machine. */
final class Wait {
    private static final long LIMIT_SECONDS = 120;

    private Wait() {}

    static void until(String what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        while (!condition.call()) {
            if (System.nanoTime() > end) {
                fail("after " + LIMIT_SECONDS + " s still not: " + what);
            }
            Thread.sleep(20);
        }
    }
}
