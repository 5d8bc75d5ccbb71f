package org.blktap.jobs.mirror;

import org.blktap.api.engine.IoLoop;
import org.blktap.jobs.Job;

/** The speed of a job as a token bucket, by the loop's clock. Loop only. */
final class SpeedLimit {
    private static final double NANOS = 1e9;
    /** The most tokens that are saved up, as seconds of the speed. */
    private static final double SAVED_SECONDS = 0.1;

    private static final long LONGEST_MILLIS = 1000;

    private final IoLoop loop;
    private final Job job;
    private final Runnable again;
    private double tokens;
    private long lastNanos;
    private IoLoop.Timer timer;

    /** @param again called when a piece that had to wait may pass */
    SpeedLimit(IoLoop loop, Job job, Runnable again) {
        this.loop = loop;
        this.job = job;
        this.again = again;
    }

    /** Whether a piece may pass now; if not, a timer calls {@code again}. */
    boolean passes() {
        long speed = job.speed();
        if (speed == 0) {
            return true;
        }
        long now = loop.nanoTime();
        tokens = Math.min(speed * SAVED_SECONDS, tokens + speed * ((now - lastNanos) / NANOS));
        lastNanos = now;
        if (tokens > 0) {
            return true;
        }
        if (timer == null) {
            double millis = -tokens / speed * 1000;
            timer = loop.schedule(this::wake, (long) Math.min(LONGEST_MILLIS, Math.max(1, millis)));
        }
        return false;
    }

    private void wake() {
        timer = null;
        again.run();
    }

    /** Takes the tokens of a piece that has passed, which may leave a debt. */
    void take(long bytes) {
        if (job.speed() != 0) {
            tokens -= bytes;
        }
    }

    void close() {
        if (timer != null) {
            timer.cancel();
        }
    }
}
