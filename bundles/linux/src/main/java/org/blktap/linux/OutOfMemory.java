package org.blktap.linux;

import java.lang.System.Logger.Level;

/**
 * Ends a daemon that has run out of memory. Any thread may be the one whose allocation fails, and a daemon without some
 * of its threads is worse than none. The JVM does the same by {@code -XX:+ExitOnOutOfMemoryError} when its heap is
 * full; this class covers what that option does not: threads, direct buffers and mappings. The service manager starts
 * the daemon again.
 */
public final class OutOfMemory {
    /** Exit status, the same as the JVM's own. */
    private static final int EXIT_STATUS = 3;

    private OutOfMemory() {}

    /**
     * Ends the process if {@code e} means that memory has run out. To be called by code that catches errors to keep its
     * thread alive.
     */
    public static void check(Throwable e) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause instanceof OutOfMemoryError) {
                end(cause);
            }
        }
    }

    /**
     * Ends the process when a thread ends for lack of memory. For other exceptions the stack is logged, as without
     * this.
     */
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
            System.getLogger("org.blktap")
                    .log(Level.ERROR, "out of memory, and ends with status " + EXIT_STATUS + ": " + e.getMessage(), e);
        } finally {
            Runtime.getRuntime().halt(EXIT_STATUS);
        }
    }
}
