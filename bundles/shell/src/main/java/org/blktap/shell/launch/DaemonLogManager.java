package org.blktap.shell.launch;

import java.util.logging.LogManager;

/**
 * Keeps the log's handlers until the process has ended: those of the JDK are closed as soon as the end begins, and its
 * story would be lost.
 */
public final class DaemonLogManager extends LogManager {
    private volatile boolean started;

    /** From now on nothing resets the log. */
    void started() {
        started = true;
    }

    @Override
    public void reset() {
        if (!started) {
            super.reset();
        }
    }
}
