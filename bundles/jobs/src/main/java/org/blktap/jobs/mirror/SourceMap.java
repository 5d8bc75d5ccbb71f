package org.blktap.jobs.mirror;

import org.blktap.api.engine.ExtentList;

/**
 * How a window of the source is stored, as it said once. What says that a range needs no read is valid only as long as
 * the VM has not changed anything in the window since it was asked. Loop only.
 */
final class SourceMap {
    final ExtentList extents = new ExtentList();
    private long begin;
    private long end;
    private boolean valid;
    private int run;
    private long runBegin;

    /** A new window is being asked for. */
    void ask(long from, long to) {
        extents.clear();
        begin = from;
        end = to;
        valid = true;
    }

    /** The answer is complete; it may cover less than was asked for. */
    void answered() {
        end = Math.min(end, begin + extents.total());
        run = 0;
        runBegin = begin;
    }

    /** The VM changes a range. */
    void touch(long from, long to) {
        if (from < end && begin < to) {
            valid = false;
        }
    }

    boolean covers(long at) {
        return at >= begin && at < end;
    }

    boolean isValid() {
        return valid;
    }

    void forget() {
        end = begin;
    }

    long end() {
        return end;
    }

    /** Goes to the run that has a byte of the window. */
    void seek(long at) {
        if (at < runBegin) {
            run = 0;
            runBegin = begin;
        }
        while (at >= runBegin + extents.length(run)) {
            runBegin += extents.length(run++);
        }
    }

    /** The end of the run. */
    long runEnd() {
        return Math.min(end, runBegin + extents.length(run));
    }

    boolean zero() {
        return (extents.state(run) & ExtentList.ZERO) != 0;
    }

    int depth() {
        return extents.depth(run);
    }
}
