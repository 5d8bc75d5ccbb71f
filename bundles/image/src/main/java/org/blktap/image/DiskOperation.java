package org.blktap.image;

import org.blktap.api.engine.IoCallback;

/**
 * What a request needs while it runs: it scans its range with look-ups, starts a part for each run, and waits where
 * a table is not loaded. It is the callback of all its parts. Pooled.
 */
abstract class DiskOperation implements IoCallback {
    final ClusterDisk disk;
    /** The next byte of the disk to look up. */
    long position;
    /** The end of the range. */
    long end;
    private int pending;
    private int error;

    DiskOperation(ClusterDisk disk) {
        this.disk = disk;
    }

    /** Begins; the scan itself counts as a part. */
    final void begin(long offset, long length) {
        position = offset;
        end = offset + length;
        error = 0;
        pending = 1;
        scan();
    }

    /** Begins as {@link #begin} does, but the scan starts with {@link #resume}. */
    final void beginLater(long offset, long length) {
        position = offset;
        end = offset + length;
        error = 0;
        pending = 1;
    }

    /**
     * Goes on from {@link #position}: starts parts until the range is done, then calls {@code done(0)} once, or returns
     * after having arranged to be resumed.
     */
    abstract void scan();

    /** All parts have ended. The operation is returned to its pool in here. */
    abstract void finished(int firstError);

    /** What the scan waited for has come, or failed: then the rest is not done. */
    final void resume(int e) {
        if (e != 0) {
            fail(e);
            done(0);
        } else {
            scan();
        }
    }

    /** A part has been started whose end will be reported to {@link #done}. */
    final void part() {
        pending++;
    }

    /** Notes an error; the scan goes on with the rest or not, as the caller likes. */
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
