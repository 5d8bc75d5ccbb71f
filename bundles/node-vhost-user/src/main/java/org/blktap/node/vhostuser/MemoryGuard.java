package org.blktap.node.vhostuser;

import org.blktap.linux.Libc;

/**
 * Runs work on memory that the client can truncate. A failed access is an {@link InternalError}, but the JVM may throw
 * it as late as at a later call of a native method, instead of another exception or while that is handled. This class
 * has it thrown before any exception is handled.
 */
final class MemoryGuard {
    /** Work that reads or writes shared memory. */
    @FunctionalInterface
    interface Work {
        boolean run() throws BrokenRingException;
    }

    /** Handles failures of the work. Must not access shared memory. */
    interface Outcome {
        /** Called when memory that the work used is gone. */
        void gone(InternalError error);

        /** Called when the ring at work breaks the rules. */
        void broken(BrokenRingException error);

        /** Called for any other exception, a failure of this side. */
        void failed(Throwable error);
    }

    private MemoryGuard() {}

    /** Runs work, and reports at most one failure. Returns the result of the work, or true after a failure. */
    static boolean run(Work work, Outcome outcome) {
        boolean result = true;
        Throwable thrown = null;
        try {
            result = work.run();
        } catch (BrokenRingException | RuntimeException | Error e) {
            thrown = e;
        }
        InternalError gone = pending();
        if (thrown == null && gone == null) {
            return result;
        }
        if (gone != null || thrown instanceof InternalError) {
            outcome.gone(gone != null ? gone : (InternalError) thrown);
        } else if (thrown instanceof BrokenRingException broken) {
            outcome.broken(broken);
        } else {
            outcome.failed(thrown);
        }
        return true;
    }

    private static InternalError pending() {
        try {
            settle();
            return null;
        } catch (InternalError e) {
            return e;
        }
    }

    /**
     * Makes the JVM throw the failure of an access to shared memory, if there was one, here. The JVM throws it when a
     * call of a native method by JNA returns; compiled code alone may continue for long with a value that it never
     * read. Any such call does; this one makes no system call.
     */
    static void settle() {
        Libc.getpagesize();
    }
}
