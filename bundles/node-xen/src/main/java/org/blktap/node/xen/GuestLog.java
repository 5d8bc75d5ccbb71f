package org.blktap.node.xen;

import java.lang.System.Logger.Level;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.blktap.api.disk.Printable;

/**
 * The log of one device, for lines that its guest can cause as often as it likes: a burst, then one a minute, so that the guest cannot fill the
 * host's disk. The next line says how many were left out. Any thread.
 */
final class GuestLog {
    static final int AT_ONCE = 20;
    static final long EVERY_NANOS = TimeUnit.MINUTES.toNanos(1);
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");

    private final String name;
    private final Pace pace;
    private long leftOut;

    /** @param name the attachment's id, with which each line begins */
    GuestLog(String name) {
        this(name, System::nanoTime);
    }

    GuestLog(String name, LongSupplier clock) {
        this.name = name;
        pace = new Pace(AT_ONCE, TimeUnit.NANOSECONDS.toMillis(EVERY_NANOS), clock);
    }

    void say(Level level, String what) {
        say(level, what, null);
    }

    /** @param thrown what led to it, or null */
    synchronized void say(Level level, String what, Throwable thrown) {
        if (!pace.now()) {
            leftOut++;
            return;
        }
        LOG.log(level, name + ": " + Printable.of(what) + (leftOut == 0 ? "" : " (" + leftOut + " lines before this one were left out)"), thrown);
        leftOut = 0;
    }
}
