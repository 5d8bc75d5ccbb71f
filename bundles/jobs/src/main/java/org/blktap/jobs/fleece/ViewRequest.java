package org.blktap.jobs.fleece;

import org.blktap.api.disk.BlockingDisk;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;

/**
 * A READ or MAP of a point in time. It is made on the loop of its reader, answered on the loop of the source, and ends
 * on the reader's.
 */
final class ViewRequest {
    private final ViewDisk reader;
    private final Request below = new Request(this::belowEnded, 4);
    private final ExtentList extents = new ExtentList();
    private final IoLoop.BlockingCall readScratch = this::readScratch;
    private final IoCallback pieceEnded = this::pieceEnded;
    private final Runnable ended;
    private final Runnable arrives = this::arrives;
    private Request outer;
    private volatile long sinceNanos;
    private volatile int error;
    /** The disk that answers; non-null on the source's loop. */
    private FleeceDisk source;
    /** Offset on the disk up to which the request is done. */
    private long at;

    private long length;
    /** The ranges that are being read from the disk below. */
    private long readsFrom;

    private long readsEnd;

    ViewRequest(ViewDisk reader) {
        this.reader = reader;
        ended = () -> reader.ended(this);
    }

    /** Takes a request of the reader. Reader's loop. */
    ViewRequest of(Request request, long nanos) {
        outer = request;
        sinceNanos = nanos;
        error = 0;
        at = request.offset();
        return this;
    }

    Request outer() {
        return outer;
    }

    int error() {
        return error;
    }

    /** Returns when the request was taken. Any thread. */
    long sinceNanos() {
        return sinceNanos;
    }

    /** Ends the request. Called on the thread that has it. */
    void finish(int errno) {
        error = errno;
        source = null;
        reader.execute(ended);
    }

    // ---- on the loop of the source

    /** Returns the task that {@link Point} runs on the source's loop. */
    Runnable arrival(FleeceDisk disk) {
        source = disk;
        return arrives;
    }

    private void arrives() {
        if (source.isClosed()) {
            reader.point().submit(this);
        } else {
            step();
        }
    }

    /** Does the next step. */
    void step() {
        if (source.isLost()) {
            finish(Errno.EIO);
        } else if (at == outer.offset() + outer.length()) {
            finish(0);
        } else if (!source.isRunning()) {
            source.readers().await(this);
        } else if (outer.operation() == Operation.MAP) {
            map();
        } else {
            read();
        }
    }

    boolean reads(long from, long end) {
        return readsFrom < end && from < readsEnd;
    }

    private void read() {
        PointFile file = source.file();
        long stop = outer.offset() + outer.length();
        long first = at / file.range();
        long last = (stop - 1) / file.range() + 1;
        if (reader.changesOnly() && !file.changed.get(first)) {
            length = Math.min(stop, file.changed.nextSet(first, last) * file.range()) - at;
            outer.data().zero(at - outer.offset(), length);
            at += length;
            step();
            return;
        }
        if (reader.changesOnly()) {
            last = file.changed.nextClear(first, last);
        }
        if (!file.settled.get(first)) {
            if (source.saving(first) != null) {
                source.readers().await(this);
                return;
            }
            last = source.unsettledEnd(first, last);
            slice(Math.min(stop, last * file.range()));
            readsFrom = first;
            readsEnd = last;
            source.readers().enter(this);
            boolean whole = length == outer.length() && outer.has(Request.SPARSE);
            submit(below.set(Operation.READ, at, length, whole ? Request.SPARSE : 0));
        } else if (!file.saved.get(first)) {
            // the reader reads once, and has read it already
            finish(Errno.EIO);
        } else {
            last = file.saved.nextClear(first, last);
            boolean stored = file.stored.get(first);
            last = stored ? file.stored.nextClear(first, last) : file.stored.nextSet(first, last);
            slice(Math.min(stop, last * file.range()));
            if (!stored) {
                below.data().zero(0, length);
                at += length;
                step();
                return;
            }
            source.readers().enter(this);
            source.loop().offload(readScratch, pieceEnded);
        }
    }

    private void slice(long end) {
        length = end - at;
        below.data().clear();
        below.data().addSlice(outer.data(), at - outer.offset(), length);
    }

    private int readScratch() {
        long offset = at;
        for (int i = 0; i < below.data().count(); i++) {
            int failed =
                    source.file().read(below.data().address(i), below.data().length(i), offset);
            if (failed != 0) {
                return failed;
            }
            offset += below.data().length(i);
        }
        return 0;
    }

    private void belowEnded(Request request) {
        if (request.operation() == Operation.MAP) {
            source.readers().leave(this);
            mapped(request.error());
            return;
        }
        if (request.error() == 0 && request.zeros()) {
            outer.markZeros();
        }
        pieceEnded(request.error());
    }

    private void pieceEnded(int errno) {
        readsFrom = 0;
        readsEnd = 0;
        if (errno == 0) {
            source.consumed(at, at + length);
            at += length;
        }
        source.readers().leave(this);
        if (errno == 0) {
            step();
        } else {
            finish(errno);
        }
    }

    // ---- maps

    private void map() {
        length = Math.min(outer.length(), BlockingDisk.STRIDE);
        extents.clear();
        if (outer.context() != 0) {
            changes();
            finish(0);
            return;
        }
        source.readers().enter(this);
        submit(below.setMap(at, length, extents));
    }

    private void submit(Request request) {
        FleeceDisk disk = source;
        try {
            disk.below().submit(request);
        } catch (RuntimeException | Error e) {
            // the attachment is parked because of it
            if (source != null) {
                readsFrom = 0;
                readsEnd = 0;
                disk.readers().leave(this);
                finish(Errno.EIO);
            }
            throw e;
        }
    }

    private void changes() {
        PointFile file = source.file();
        long stop = at + length;
        for (long from = at; from < stop; ) {
            long range = from / file.range();
            boolean changed = file.changed.get(range);
            long last = (stop - 1) / file.range() + 1;
            long end = changed ? file.changed.nextClear(range, last) : file.changed.nextSet(range, last);
            end = Math.min(stop, end * file.range());
            outer.extents().add(end - from, changed ? 1 : 0);
            from = end;
        }
    }

    /**
     * Called when the disk below has answered. A range that is not settled by now has not changed since the question.
     */
    private void mapped(int errno) {
        if (errno != 0 || source.isLost()) {
            // what was saved meanwhile is lost
            finish(errno != 0 ? errno : Errno.EIO);
            return;
        }
        long from = at;
        long most = at + length;
        for (int i = 0; i < extents.count() && from < most; i++) {
            long end = Math.min(most, from + extents.length(i));
            while (from < end) {
                from = add(from, end, extents.state(i), extents.depth(i));
            }
        }
        finish(0);
    }

    /** Adds the first run of bytes of one kind, and returns its end. */
    private long add(long from, long end, int state, int depth) {
        PointFile file = source.file();
        long range = from / file.range();
        long last = (end - 1) / file.range() + 1;
        boolean nothing = reader.changesOnly() && !file.changed.get(range);
        if (reader.changesOnly()) {
            last = nothing ? file.changed.nextSet(range, last) : file.changed.nextClear(range, last);
        }
        int shown = ExtentList.HOLE | ExtentList.ZERO;
        int shownDepth = ExtentList.NOWHERE;
        if (!nothing) {
            boolean settled = file.settled.get(range);
            last = settled ? file.settled.nextClear(range, last) : file.settled.nextSet(range, last);
            if (settled) {
                boolean stored = file.stored.get(range);
                last = stored ? file.stored.nextClear(range, last) : file.stored.nextSet(range, last);
                // ranges that are neither saved nor stored have been reported to the reader
                shown = stored ? ExtentList.DATA : ExtentList.HOLE | ExtentList.ZERO;
                shownDepth = ExtentList.HERE;
            } else {
                shown = state;
                shownDepth = reader.changesOnly() ? ExtentList.HERE : depth;
            }
        }
        long stop = Math.min(end, last * file.range());
        outer.extents().add(stop - from, shown, shownDepth);
        if ((shown & ExtentList.ZERO) != 0) {
            // a reader that reads once does not read it
            source.consumed(from, stop);
        }
        return stop;
    }
}
