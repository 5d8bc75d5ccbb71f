package org.blktap.core.gate;

/** Receives the reports of a gate, on the loop. */
public interface GateOwner {
    /** The gate takes requests again, after it was closed for a lone write, or for requests that were tried again. */
    void reopened();

    /** The disk threw, and the gate has closed. */
    default void diskThrew(Throwable failure) {
        throw new IllegalStateException("the disk threw", failure);
    }

    /** The disk has failed a request that is held, and the gate has closed. */
    default void diskFailed() {
        // an owner that sets no policy has none held
    }

    /** Requests have failed. Rare, however many fail. */
    default void errors(ErrorReport report) {
        // the log has them
    }

    /** A VM's flush has failed with the errno of {@link Gate#owe}. */
    default void paid() {
        // no owner tracks it
    }
}
