package org.blktap.client.nbd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/** Errors of one server in the log: the first of a series at once, then at most one line in ten seconds that counts the others. Any thread. */
final class Complaints {
    private static final Logger LOG = System.getLogger("org.blktap.client.nbd");
    private static final long PAUSE_NANOS = 10_000_000_000L;

    private final String name;
    private long last;
    private boolean any;
    private long unsaid;

    Complaints(String name) {
        this.name = name;
    }

    synchronized void add(String what) {
        long now = System.nanoTime();
        if (any && now - last < PAUSE_NANOS) {
            unsaid++;
            return;
        }
        LOG.log(Level.WARNING, name + ": " + what + (unsaid == 0 ? "" : "; " + unsaid + " more errors since the last line"));
        any = true;
        last = now;
        unsaid = 0;
    }
}
