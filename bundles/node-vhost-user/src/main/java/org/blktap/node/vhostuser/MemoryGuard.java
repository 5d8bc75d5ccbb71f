package org.blktap.node.vhostuser;

import org.blktap.linux.Libc;

/**
 * Runs work on memory that the client can truncate. A failed access is an {@link InternalError}, but the JVM may throw it as late as at a
 * later call of a native method, instead of another exception or while that one is handled. Here it comes before
 * anything is done about what was thrown.
 */
final class MemoryGuard {
    /** Work that reads or writes shared memory. */
    @FunctionalInterface
    interface Work {
        boolean run() throws BrokenRingException;
    }

    /** What is done about what went wrong. None of it touches shared memory. */
    interface Outcome {
        /** Memory that was used is gone. */
        void gone(InternalError error);

        /** The ring at work breaks the rules. */
        void broken(BrokenRingException error);

        /** Something of this side failed. */
        void failed(Throwable error);
    }

    private MemoryGuard() {
    }

    /** Runs work, and reports at most one thing that went wrong; what the work returned, or true. */
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
     * Makes the JVM throw the failure of an access to shared memory, if there was one, here. It does so when a
     * call of a native method by JNA returns; compiled code alone may run on for long with a value that it never
     * read. This is one cheap system call for a batch.
     */
    static void settle() {
        Libc.getuid();
    }
}
