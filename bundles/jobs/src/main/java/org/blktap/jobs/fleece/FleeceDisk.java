package org.blktap.jobs.fleece;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.memory.NativeBuffer;

/**
 * The disk of the filter fleece: saves the old data of a range before the VM's first change of it, and answers the
 * readers of the point in time from the saved data and from the disk below. Loop only.
 *
 * <p>A change is submitted when each range of it is settled: its old data is saved, or nobody needs it. A range is
 * settled only when no reader reads it from the disk below.
 */
final class FleeceDisk extends PassThroughDisk {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    /** The most saves at a time. */
    private static final int SAVES = 16;

    private final String id;
    private final IoLoop loop;
    private final PointFile file;
    private final Point point;
    private FleeceLimits limits;
    private final NativeBuffer memory;

    private final List<Save> saves = new ArrayList<>();
    private final ArrayDeque<Held> held = new ArrayDeque<>();
    private final ArrayDeque<Held> free = new ArrayDeque<>();
    private final Readers readers = new Readers(this);
    private boolean pumping;
    private boolean again;
    /** Whether requests are taken: neither before the disk is behind its gate, nor while the gate is closed. */
    private boolean running;

    private volatile boolean lost;
    private boolean closed;
    /** Bytes in the scratch file, or being written to it. */
    private long used;
    /** Number of calls on helper threads that free space. */
    private int freeing;

    private long waited;
    /** The request that the gate is submitting, if it waits. */
    private Request taken;

    /** A change that waits for its ranges. */
    private static final class Held {
        private Request request;
        /** All ranges before this one are settled. */
        private long from;

        private long end;
    }

    FleeceDisk(VirtualDisk below, FilterContext context, PointFile file, Point point, FleeceLimits limits) {
        super(below);
        id = context.id();
        loop = context.loop();
        this.file = file;
        this.point = point;
        this.limits = limits;
        int bytes = Math.max(Save.BYTES, file.range());
        memory = context.memory().allocate((long) SAVES * bytes);
        for (int i = 0; i < SAVES; i++) {
            saves.add(new Save(this, memory.address() + (long) i * bytes, bytes));
        }
        used = file.stored.cardinality() * file.range();
        lost = file.lost();
        if (lost) {
            LOG.log(Level.WARNING, id + ": the point in time " + file.name() + " is lost: " + file.reason());
        }
    }

    PointFile file() {
        return file;
    }

    IoLoop loop() {
        return loop;
    }

    List<Save> saves() {
        return saves;
    }

    Readers readers() {
        return readers;
    }

    boolean isLost() {
        return lost;
    }

    boolean isClosed() {
        return closed;
    }

    /** Whether requests are taken. */
    boolean isRunning() {
        return running;
    }

    // ---- the VM's requests

    @Override
    public void submit(Request request) {
        if (lost || !request.operation().changes() || request.length() == 0) {
            below().submit(request);
            return;
        }
        long from = request.offset() / file.range();
        long end = Math.min(file.ranges(), (request.offset() + request.length() - 1) / file.range() + 1);
        if (file.settled.nextClear(from, end) >= end) {
            below().submit(request);
            return;
        }
        Held wait = free.isEmpty() ? new Held() : free.pop();
        wait.request = request;
        wait.from = from;
        wait.end = end;
        held.add(wait);
        waited++;
        taken = request;
        try {
            pump();
        } finally {
            taken = null;
        }
    }

    /** Submits the changes whose ranges are settled, and saves what the others need. */
    void pump() {
        if (pumping) {
            again = true;
            return;
        }
        pumping = true;
        try {
            do {
                again = false;
                for (int left = held.size(); left > 0; left--) {
                    Held each = held.poll();
                    if (lost || isSettled(each)) {
                        Request request = each.request;
                        each.request = null;
                        free.push(each);
                        submitBelow(request);
                    } else {
                        held.add(each);
                    }
                }
            } while (again);
        } finally {
            pumping = false;
        }
    }

    /**
     * Submits a request. If the disk throws, the gate knows which request failed only if it was the one that the gate
     * has just submitted.
     */
    private void submitBelow(Request request) {
        try {
            below().submit(request);
        } catch (RuntimeException | Error e) {
            if (request != taken) {
                request.complete(Errno.EIO);
            }
            throw e;
        }
    }

    private boolean isSettled(Held wait) {
        wait.from = file.settled.nextClear(wait.from, wait.end);
        for (long at = wait.from; at < wait.end && !lost; ) {
            Save other = saving(at);
            if (other != null) {
                at = other.end();
            } else if (file.settled.get(at)) {
                at = file.settled.nextClear(at, wait.end);
            } else {
                Save save = idle();
                if (save == null) {
                    break;
                }
                long end = Math.min(unsettledEnd(at, wait.end), at + save.ranges());
                if (!reserve(bytes(at, end))) {
                    break;
                }
                save.start(at, end);
                at = end;
            }
        }
        wait.from = file.settled.nextClear(wait.from, wait.end);
        return wait.from >= wait.end;
    }

    private Save idle() {
        for (Save each : saves) {
            if (each.isIdle()) {
                return each;
            }
        }
        return null;
    }

    /** Returns the save that has a range, or null. */
    Save saving(long range) {
        for (Save each : saves) {
            if (each.has(range)) {
                return each;
            }
        }
        return null;
    }

    /** Returns the end of the run of ranges that are neither settled nor being saved. */
    long unsettledEnd(long from, long end) {
        long stop = file.settled.nextSet(from, end);
        for (Save each : saves) {
            if (!each.isIdle() && each.from() > from) {
                stop = Math.min(stop, each.from());
            }
        }
        return stop;
    }

    /** Returns how many bytes of the disk are in ranges. */
    long bytes(long from, long end) {
        return Math.min(end * file.range(), file.sizeBytes()) - from * file.range();
    }

    // ---- the buffer

    /** Reserves room in the buffer. Returns false if there is none; then the point in time may be lost. */
    private boolean reserve(long bytes) {
        // a VM that waits for the buffer must not delay a park; requests in flight are bounded
        if (used + bytes > limits.buffer() && (!limits.waits() || running)) {
            if (!limits.waits()) {
                lose("its buffer of " + Options.sizeText(limits.buffer()) + " is full");
            }
            return false;
        }
        used += bytes;
        return true;
    }

    void unreserve(long bytes) {
        used -= bytes;
    }

    /** Called when a reader that reads each range once has read these bytes, so that they are not needed any more. */
    void consumed(long offset, long endOffset) {
        if (!limits.once() || lost) {
            return;
        }
        long from = (offset + file.range() - 1) / file.range();
        long end = endOffset >= file.sizeBytes() ? file.ranges() : endOffset / file.range();
        if (from >= end) {
            return;
        }
        file.settled.put(from, end, true);
        for (long at = file.saved.nextSet(from, end); at < end; at = file.saved.nextSet(at, end)) {
            long stop = file.saved.nextClear(at, end);
            forget(at, stop);
            at = stop;
        }
        pump();
    }

    /** Frees the old data of ranges that are not needed any more. */
    private void forget(long from, long end) {
        file.saved.put(from, end, false);
        for (long at = file.stored.nextSet(from, end); at < end; at = file.stored.nextSet(at, end)) {
            long stop = file.stored.nextClear(at, end);
            file.stored.put(at, stop, false);
            free(at, stop);
            at = stop;
        }
    }

    /** Frees the space of ranges in the scratch file, and then their room in the buffer. */
    void free(long from, long end) {
        long bytes = bytes(from, end);
        freeing++;
        loop.offload(() -> file.free(from * file.range(), bytes), error -> {
            freeing--;
            used -= bytes;
            pump();
        });
    }

    /** Gives up the point in time; the VM goes on. */
    void lose(String reason) {
        if (lost) {
            return;
        }
        lost = true;
        file.lose(reason);
        LOG.log(Level.WARNING, id + ": the point in time " + file.name() + " is lost: " + reason);
        freeing++;
        loop.offload(file::empty, error -> freeing--);
        readers.wake();
        pump();
    }

    // ---- as a filter

    @Override
    public void draining(boolean begins) {
        running = !begins;
        super.draining(begins);
        if (begins) {
            pump();
        } else {
            readers.wake();
        }
    }

    @Override
    public boolean busy() {
        return worksItself() || super.busy();
    }

    private boolean worksItself() {
        return freeing != 0 || readers.busy() || saves.stream().anyMatch(each -> !each.isIdle());
    }

    /** {@inheritDoc} Refused, since readers would lose the point in time. */
    @Override
    public void checkDetach() throws DiskException {
        if (!lost) {
            throw new DiskException(
                    Reason.BUSY,
                    "attachment '" + id + "' has the point in time '" + file.name() + "', which would be lost: "
                            + (limits.once() ? "wait for its backup, or cancel the job" : "end it with expose --end")
                            + ", or detach with --force");
        }
        super.checkDetach();
    }

    @Override
    public Map<String, ?> stats() {
        Map<String, Object> stats = new LinkedHashMap<>();
        stats.put("point in time", file.name());
        stats.put("state", lost ? "lost: " + file.reason() : "kept");
        stats.put("saved bytes", used);
        stats.put("buffer bytes", limits.buffer());
        stats.put("waiting", held.size());
        stats.put("waited", waited);
        return stats;
    }

    @Override
    public void close() {
        closed = true;
        point.left(this);
        readers.leave(point);
        if (worksItself()) {
            // a forced detach has not waited: helper threads may still use the file and the memory
            LOG.log(Level.WARNING, id + ": the point in time " + file.name() + " was closed while in use");
            return;
        }
        file.close();
        memory.close();
    }

    /** {@inheritDoc} Changes how much old data is kept. */
    @Override
    public boolean set(Options options) throws DiskException {
        FleeceLimits changed = FleeceLimits.of(options);
        if (changed.once() != limits.once() || !file.name().equals(options.text("name", ""))) {
            throw new DiskException(Reason.BAD_OPTION, "filter fleece: only buffer and full can be set");
        }
        limits = changed;
        pump();
        return true;
    }

    /** Returns the text of an error of the disk below. */
    static String error(String doing, int errno) {
        return doing + ": " + Errno.text(errno);
    }
}
