package org.blktap.jobs.mirror;

import org.blktap.api.engine.IoLoop;
import org.blktap.jobs.Job;

/**
 * How many pieces are copied at once: all while the VM is idle, and few while it is at work. Loop only.
 *
 * <p>Unless the job has a share, the number follows from how long a piece takes: one more as long as pieces take less
 * than {@link #LATENCY_NANOS}, one less when they take longer. What the copying adds to the time of a request is
 * bounded by that on a device that serves one after the other: a hard disk gets the fewest, memory the most.
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
    /** Pieces that have ended since the number was looked at, and the sum of their times. */
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

    /** The VM has submitted something. */
    void vmAtWork() {
        lastVmNanos = loop.nanoTime();
    }

    /** Pieces that may be in flight now. */
    int pieces() {
        if (loop.nanoTime() - lastVmNanos >= IDLE_NANOS) {
            return all;
        }
        return job.share() == Job.AUTOMATIC_SHARE ? found : Math.min(all, job.share());
    }

    /** A piece has been read and written, in so many nanoseconds. */
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
