package org.blktap.jobs.mirror;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;

/**
 * The source's answer to a MAP request for a window. That a range needs no read is valid only while the VM has not
 * changed anything in the window since the request. Loop only.
 */
final class SourceMap {
    private final ExtentList extents = new ExtentList();
    private final Request request = new Request(this::answered, 0);
    private final boolean depthOnly;
    private final MirrorFailures failures;
    private final Answered then;
    private boolean asking;
    private long begin;
    private long end;
    private boolean valid;
    private int run;
    private long runBegin;

    /** Called when the answer has come, or the request has failed. */
    interface Answered {
        void answered(long at, long length);
    }

    /** @param depthOnly whether zeros that are not recorded in a table may be reported as data */
    SourceMap(boolean depthOnly, MirrorFailures failures, Answered then) {
        this.depthOnly = depthOnly;
        this.failures = failures;
        this.then = then;
    }

    /** Asks for a new window. */
    void ask(VirtualDisk disk, long from, long to) {
        extents.clear();
        begin = from;
        end = to;
        valid = true;
        asking = true;
        try {
            disk.submit(
                    depthOnly
                            ? request.setDepthMap(from, to - from, extents)
                            : request.setMap(from, to - from, extents));
        } catch (RuntimeException | Error e) {
            asking = false;
            end = begin;
            failures.threw(e);
        }
    }

    /** Takes the answer, which may cover less than was asked for. */
    private void answered(Request ended) {
        asking = false;
        if (ended.error() != 0) {
            end = begin;
            failures.source(Operation.MAP, ended.offset(), ended.error());
        } else if (extents.count() == 0 || extents.total() > ended.length()) {
            end = begin;
            failures.threw(new IllegalStateException("a map of " + extents.total() + " bytes"));
        } else {
            end = begin + extents.total();
            run = 0;
            runBegin = begin;
        }
        then.answered(ended.offset(), ended.length());
    }

    /** Whether a request is in flight. */
    boolean isAsking() {
        return asking;
    }

    /** Called when the VM changes a range. */
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

    /** Returns the end of the run. */
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
