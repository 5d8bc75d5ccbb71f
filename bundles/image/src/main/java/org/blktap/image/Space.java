package org.blktap.image;

import org.blktap.api.engine.IoCallback;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * What a map does in its files by itself, besides the requests: it extends them, and frees clusters that nothing points at. The disk asks it
 * around flushes, so that a flush that has been answered covers this too, and nothing is in flight after the last. Loop only.
 */
@ConsumerType
public interface Space {
    /** The space of a map that does nothing by itself. */
    Space STILL = new Space() {
        @Override
        public void whenIdle(Runnable task) {
            task.run();
        }

        @Override
        public int takeFlushError() {
            return 0;
        }
    };

    /** Runs a task when nothing is under way here that has begun by now: at once, or soon. */
    void whenIdle(Runnable task);

    /** Returns an error of a flush that was started here, once, or 0: the next flush that is asked for must report it. */
    int takeFlushError();

    /** Called before a flush, whose success is reported by {@link #flushed}. */
    default void flushing() {
        // most have nothing to free
    }

    /** Called when a flush has succeeded: what no table has pointed at since {@link #flushing} may be freed now. Calls back, now or later. */
    default void flushed(IoCallback done) {
        done.done(0);
    }

    /** The requests under way, counted by the disk for a space that reuses clusters while it is in use; null for one that does not. Always the same. */
    default InFlight inFlight() {
        return null;
    }
}
