package org.blktap.image;

import org.blktap.api.engine.IoCallback;

/**
 * A request in progress: it scans its range with look-ups, starts a part for each run, and waits for tables that are
 * not loaded. It is the callback of all its parts. Pooled.
 */
abstract class DiskOperation implements IoCallback, Resumable {
    final ClusterMap map;
    /** The next byte of the disk to look up. */
    long position;
    /** The end of the range. */
    long end;

    private final Place place = new Place();
    /** Whether {@link #place} already has the answer for the position. */
    private boolean found;
    /** Non-null only for maps that reuse freed clusters. */
    private final InFlight inFlight;

    private int entered;
    private int pending;
    private int error;

    DiskOperation(ClusterMap map) {
        this.map = map;
        inFlight = map.space().inFlight();
    }

    /** Begins; the scan itself counts as a part. */
    final void begin(long offset, long length) {
        prepare(offset, length);
        scan();
    }

    /** Begins with the result of a look-up that has just been made. */
    final void begin(Place first, long length) {
        prepare(first.offset(), length);
        place.copy(first);
        found = true;
        scan();
    }

    /** Begins as {@link #begin} does, but the scan starts with {@link #resume}. */
    final void prepare(long offset, long length) {
        position = offset;
        end = offset + length;
        found = false;
        error = 0;
        pending = 1;
        entered = inFlight == null ? 0 : inFlight.enter();
    }

    /** Whether the map reuses freed clusters. */
    final boolean reuses() {
        return inFlight != null;
    }

    /** Looks up the run at the position. */
    final Place find() {
        if (found) {
            found = false;
        } else {
            place.ask(position);
            map.find(position, end - position, place);
        }
        return place;
    }

    /**
     * Goes on from {@link #position}: starts parts until the range is done, then calls {@code done(0)} once, or returns
     * after having arranged to be resumed.
     */
    abstract void scan();

    /**
     * Called when all parts have ended: returns the operation to its pool, calls {@link #leave}, and reports the end.
     */
    abstract void finished(int firstError);

    /** Allows the reuse of clusters that this operation may have looked up. */
    final void leave(int turn) {
        if (inFlight != null) {
            inFlight.leave(turn);
        }
    }

    /** The argument for {@link #leave}. */
    final int entered() {
        return entered;
    }

    /** Continues the scan after a wait, or ends it after an error. */
    @Override
    public final void resume(int e) {
        if (e != 0) {
            fail(e);
            done(0);
        } else {
            scan();
        }
    }

    /** Counts a part that has been started. Its end is reported to {@link #done}. */
    final void part() {
        pending++;
    }

    /** Records an error; the caller decides whether the scan continues. */
    final void fail(int e) {
        if (error == 0) {
            error = e;
        }
    }

    final boolean failed() {
        return error != 0;
    }

    @Override
    public final void done(int e) {
        if (e != 0) {
            fail(e);
        }
        if (--pending == 0) {
            finished(error);
        }
    }
}
