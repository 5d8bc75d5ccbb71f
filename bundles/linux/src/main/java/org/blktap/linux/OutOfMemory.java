package org.blktap.linux;

import java.lang.System.Logger.Level;

/**
 * The end of a daemon that has no memory. Any thread may be the one that does not get it, and half a daemon is worse than none: it ends at once, as the
 * JVM ends it by {@code -XX:+ExitOnOutOfMemoryError} when its heap is full, and what started it starts it again. For what that option does not
 * see: no room for a thread, for direct buffers, for mappings.
 */
public final class OutOfMemory {
    /** Exit status, the same as the JVM's own. */
    private static final int EXIT_STATUS = 3;

    private OutOfMemory() {
    }

    /** Ends the process if memory is what was missing. For those who catch what a thread must not die of. */
    public static void check(Throwable e) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause instanceof OutOfMemoryError) {
                end(cause);
            }
        }
    }

    /** Ends the process when a thread ends for want of memory; others end with their stack in the log, as always. */
    public static void watchThreads() {
        if (!(Thread.getDefaultUncaughtExceptionHandler() instanceof Watch)) {
            Thread.setDefaultUncaughtExceptionHandler(new Watch(Thread.getDefaultUncaughtExceptionHandler()));
        }
    }

    private record Watch(Thread.UncaughtExceptionHandler before) implements Thread.UncaughtExceptionHandler {
        @Override
        public void uncaughtException(Thread thread, Throwable e) {
            check(e);
            if (before != null) {
                before.uncaughtException(thread, e);
            } else {
                System.getLogger("org.blktap").log(Level.ERROR, thread.getName() + ": ended by an error", e);
            }
        }
    }

    private static void end(Throwable e) {
        try {
            System.getLogger("org.blktap").log(Level.ERROR, "out of memory, and ends with status " + EXIT_STATUS + ": " + e.getMessage(), e);
        } finally {
            Runtime.getRuntime().halt(EXIT_STATUS);
        }
    }
}
