package org.blktap.image;

import org.blktap.api.engine.IoCallback;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A map's own work in its files, apart from requests: it extends them, and frees clusters that nothing points at. The
 * disk calls it around flushes, so that a completed flush covers this work too, and none is in flight after the last
 * flush. Loop only.
 */
@ConsumerType
public interface Space {
    /** The space of a map that does no work of its own. */
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

    /** Runs a task when all work that has begun by now has ended: at once, or later. */
    void whenIdle(Runnable task);

    /** Returns the error of a flush that was started here, once, or 0: the next flush of the disk must report it. */
    int takeFlushError();

    /** Called before a flush, whose success is reported by {@link #flushed}. */
    default void flushing() {
        // most spaces have nothing to free
    }

    /**
     * Called when a flush has succeeded: clusters that no table has pointed at since {@link #flushing} may be freed.
     * Calls back, now or later.
     */
    default void flushed(IoCallback done) {
        done.done(0);
    }

    /**
     * The requests under way, counted by the disk for a space that reuses clusters while it is in use; null for one
     * that does not. Always the same.
     */
    default InFlight inFlight() {
        return null;
    }
}
