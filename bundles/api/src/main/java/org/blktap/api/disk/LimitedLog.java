package org.blktap.api.disk;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.function.LongSupplier;
import org.blktap.api.engine.Pace;

/**
 * A log for lines that a guest, a client or a server can cause any number of times: a burst, then one line in each
 * interval, so that nobody can fill the host's disk. The next line says how many were left out. Lines are made
 * {@link Printable}. Any thread.
 */
public final class LimitedLog {
    private final Logger log;
    private final String name;
    private final Pace pace;
    private long leftOut;

    /**
     * @param name begins each line; empty if lines have beginnings of their own
     * @param atOnce lines of a burst
     * @param everyMilliseconds the interval of lines after a burst
     */
    public LimitedLog(Logger log, String name, int atOnce, long everyMilliseconds) {
        this(log, name, new Pace(atOnce, everyMilliseconds));
    }

    LimitedLog(Logger log, String name, int atOnce, long everyMilliseconds, LongSupplier clock) {
        this(log, name, new Pace(atOnce, everyMilliseconds, clock));
    }

    private LimitedLog(Logger log, String name, Pace pace) {
        this.log = log;
        this.name = name.isEmpty() ? "" : name + ": ";
        this.pace = pace;
    }

    public void log(Level level, String line) {
        log(level, line, null);
    }

    /** @param cause logged with its stack, or null */
    public synchronized void log(Level level, String line, Throwable cause) {
        if (!pace.now()) {
            leftOut++;
            return;
        }
        log.log(
                level,
                name
                        + Printable.of(line)
                        + (leftOut == 0 ? "" : " (" + leftOut + " lines before this one were left out)"),
                cause);
        leftOut = 0;
    }
}
