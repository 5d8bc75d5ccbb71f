package org.blktap.node.nbd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/** Lines about clients, who can cause as many as they like: the first at once, then one in ten seconds that counts the others. One thread. */
final class LimitedLog {
    private static final Logger LOG = System.getLogger("org.blktap.node.nbd");
    private static final long PAUSE_NANOS = 10_000_000_000L;

    private long last;
    private boolean any;
    private long unsaid;

    void add(Level level, String line, Throwable cause) {
        long now = System.nanoTime();
        if (any && now - last < PAUSE_NANOS) {
            unsaid++;
            return;
        }
        LOG.log(level, line + (unsaid == 0 ? "" : "; " + unsaid + " more such lines since the last one"), cause);
        any = true;
        last = now;
        unsaid = 0;
    }

    void add(Level level, String line) {
        add(level, line, null);
    }
}
