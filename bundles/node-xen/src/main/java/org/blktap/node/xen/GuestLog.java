package org.blktap.node.xen;

import java.lang.System.Logger.Level;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * The log of one device, for lines that its guest can cause as often as it likes: so many at once, then one a minute, so that the guest cannot fill the
 * host's disk. How many were left out is told with the next one. Any thread.
 */
final class GuestLog {
    static final int AT_ONCE = 20;
    static final long EVERY_NANOS = TimeUnit.MINUTES.toNanos(1);
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");

    private final String name;
    private final LongSupplier clock;
    private int left = AT_ONCE;
    private long counted;
    private long leftOut;

    /** @param name the attachment's id, with which each line begins */
    GuestLog(String name) {
        this(name, System::nanoTime);
    }

    GuestLog(String name, LongSupplier clock) {
        this.name = name;
        this.clock = clock;
        counted = clock.getAsLong();
    }

    synchronized void say(Level level, String what) {
        long more = (clock.getAsLong() - counted) / EVERY_NANOS;
        counted += more * EVERY_NANOS;
        left = (int) Math.min(AT_ONCE, left + more);
        if (left == 0) {
            leftOut++;
            return;
        }
        left--;
        LOG.log(level, name + ": " + what + (leftOut == 0 ? "" : " (" + leftOut + " lines before this one were left out)"));
        leftOut = 0;
    }
}
