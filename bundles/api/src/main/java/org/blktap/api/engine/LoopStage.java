package org.blktap.api.engine;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * A part of a loop's turn: an engine's queue, a node's rings. All methods run on the loop.
 *
 * <p>A turn polls every stage, then flushes every stage; engines come before nodes in both, so that what a node took
 * from its ring is submitted by one system call, and what completed at once is answered in the same turn.
 */
@ConsumerType
public interface LoopStage {
    /** Takes what has arrived (completions, requests), without waiting. True if there was anything. */
    boolean poll();

    /** Hands on what the turn has gathered: one submission, one notification, one send. */
    void flush();

    /**
     * The loop is about to sleep: turns wake-ups on (ring notifications) and looks once more.
     *
     * @return true if something arrived meanwhile, so that the loop must not sleep
     */
    boolean arm();

    /**
     * Whether this stage can be waited for by polling: the loop polls briefly before sleeping only if some stage says
     * true. A stage that is only woken by file descriptors says false.
     */
    default boolean pollable() {
        return false;
    }
}
