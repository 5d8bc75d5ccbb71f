package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import org.blktap.api.disk.LimitedLog;
import org.blktap.linux.OutOfMemory;

/**
 * The log of one node's clients. They cannot fill it: after a burst there is one line for each interval, which says how
 * many were left out. Loop only.
 */
final class ClientLog {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.vhost-user");
    static final int BURST = 20;
    private static final long INTERVAL_MILLISECONDS = 10_000;

    private final LimitedLog lines;

    /** @param name the attachment, with which each line begins */
    ClientLog(String name) {
        lines = new LimitedLog(LOG, name, BURST, INTERVAL_MILLISECONDS);
    }

    /** Runs a step of closing. Logs what it throws, so that the other steps are run too. */
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

    /** @param cause a failure of this side, logged with its stack, or null; if memory has run out, the daemon ends */
    void log(Level level, String text, Throwable cause) {
        OutOfMemory.check(cause);
        lines.log(level, text, cause);
    }
}
