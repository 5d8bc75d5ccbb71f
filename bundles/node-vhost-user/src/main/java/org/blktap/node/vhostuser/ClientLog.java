package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import java.util.concurrent.TimeUnit;
import org.blktap.linux.OutOfMemory;

/** The log of one node's clients, who cannot fill it: after a burst one line for each interval, which says how many were left out. Loop only. */
final class ClientLog {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.vhost-user");
    static final int BURST = 20;
    private static final long INTERVAL = TimeUnit.SECONDS.toNanos(10);

    private final String name;
    private int tokens = BURST;
    private long last = System.nanoTime();
    private long leftOut;

    /** @param name the attachment, with which each line begins */
    ClientLog(String name) {
        this.name = name;
    }

    /** Runs a step of closing; what it throws is logged, and does not keep the other steps from being run. */
    void attempt(Runnable step) {
        try {
            step.run();
        } catch (RuntimeException | Error e) {
            log(Level.ERROR, "closing what a client had failed", e);
        }
    }

    void log(Level level, String text) {
        log(level, text, null);
    }

    /** @param cause a failure of this side, logged with its stack, or null; if memory was missing, the daemon ends */
    void log(Level level, String text, Throwable cause) {
        OutOfMemory.check(cause);
        long now = System.nanoTime();
        long earned = (now - last) / INTERVAL;
        if (earned > 0) {
            tokens = (int) Math.min(BURST, tokens + earned);
            last += earned * INTERVAL;
        }
        if (tokens == 0) {
            leftOut++;
            return;
        }
        tokens--;
        String line = name + ": " + text;
        if (leftOut > 0) {
            line += " (before this, " + leftOut + " lines were left out)";
            leftOut = 0;
        }
        if (cause == null) {
            LOG.log(level, line);
        } else {
            LOG.log(level, line, cause);
        }
    }
}
