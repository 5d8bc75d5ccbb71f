package org.blktap.jobs.mirror;

import org.blktap.api.engine.IoLoop;
import org.blktap.jobs.Job;

/**
 * How many pieces are copied at once: all while the VM is idle, and few while it is active. Loop only.
 *
 * <p>Unless the job has a fixed share, the number grows by one while pieces take less than {@link #LATENCY_NANOS}, and
 * falls by one while they take longer. On a device that serves one request after the other, this bounds what copying
 * adds to the time of a request: a hard disk gets the fewest pieces, memory the most.
 */
final class Share {
    /** The VM is idle when it has submitted nothing for this time. */
    private static final long IDLE_NANOS = 10_000_000;

    private static final long LATENCY_NANOS = 8_000_000;
    private static final int FEWEST = 2;

    private final IoLoop loop;
    private final Job job;
    private final int all;
    private int found = FEWEST;
    /** Pieces that have ended since the number was last adapted, and the sum of their times. */
    private int ended;

    private long nanos;
    private long lastVmNanos;

    /** @param all the most pieces that can be in flight */
    Share(IoLoop loop, Job job, int all) {
        this.loop = loop;
        this.job = job;
        this.all = all;
        lastVmNanos = loop.nanoTime() - IDLE_NANOS;
    }

    /** Called when the VM has submitted a request. */
    void vmAtWork() {
        lastVmNanos = loop.nanoTime();
    }

    /** Returns how many pieces may be in flight now. */
    int pieces() {
        if (loop.nanoTime() - lastVmNanos >= IDLE_NANOS) {
            return all;
        }
        return job.share() == Job.AUTOMATIC_SHARE ? found : Math.min(all, job.share());
    }

    /** Called when a piece has been read and written. */
    void took(long pieceNanos) {
        nanos += pieceNanos;
        if (++ended < found) {
            return;
        }
        found = nanos / ended < LATENCY_NANOS ? Math.min(all, found + 1) : Math.max(FEWEST, found - 1);
        ended = 0;
        nanos = 0;
    }
}
