package org.blktap.api.testkit;

import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Waits for a condition, at most {@code -Dtest.patience} seconds, two minutes by default. */
public final class Eventually {
    private static final long SECONDS = Integer.getInteger("test.patience", 120);
    /** Most conditions hold soon: that often it is only a yield that is waited. */
    private static final int YIELDS = 200;

    private Eventually() {}

    /**
     * Returns when a condition holds.
     *
     * @param what the condition in words, for the error
     * @throws AssertionError if it does not hold in time
     * @throws Exception from the condition
     */
    public static void holds(String what, Callable<Boolean> condition) throws Exception {
        holds(() -> what, condition);
    }

    /**
     * Returns when a condition holds.
     *
     * @param what the condition in words and the state found instead; asked for only when time is up
     * @throws AssertionError if it does not hold in time
     * @throws Exception from the condition
     */
    public static void holds(Supplier<String> what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        for (int i = 0; !condition.call(); i++) {
            if (System.nanoTime() - end > 0) {
                throw new AssertionError("not within " + SECONDS + " s: " + what.get());
            }
            if (i < YIELDS) {
                Thread.yield();
            } else {
                Thread.sleep(1);
            }
        }
    }
}
