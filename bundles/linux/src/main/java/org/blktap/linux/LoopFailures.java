package org.blktap.linux;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.TimeUnit;
import org.blktap.api.engine.IoLoop.FailureHandler;

/**
 * Logs exceptions of the code that runs on a loop, at most a line every ten seconds, and passes them to the loop's
 * owner. Loop only.
 */
final class LoopFailures {
    private static final Logger LOG = System.getLogger("org.blktap.linux.loop");
    private static final long LINE_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final String loop;
    private FailureHandler handler = (what, failure) -> {};
    private int unlogged;
    private long nextLine = System.nanoTime();

    LoopFailures(String loop) {
        this.loop = loop;
    }

    void handler(FailureHandler owner) {
        handler = owner;
    }

    void failed(String what, Throwable failure) {
        OutOfMemory.check(failure);
        long now = System.nanoTime();
        if (now - nextLine < 0) {
            unlogged++;
        } else {
            LOG.log(
                    Level.ERROR,
                    loop + ": " + what + " failed"
                            + (unlogged == 0 ? "" : "; " + unlogged + " more failures since the last line"),
                    failure);
            unlogged = 0;
            nextLine = now + LINE_NANOS;
        }
        try {
            handler.failed(what, failure);
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, loop + ": cannot handle the failure of " + what, e);
        }
    }
}
