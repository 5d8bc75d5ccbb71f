package org.blktap.filter.tee;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.filter.Substitute;
import org.blktap.api.filter.WriteCopies;
import org.blktap.api.memory.Segments;

/**
 * Sends all changes to a second disk as well; a change completes when both disks have completed it. The first error of
 * the second disk ends its use, and the VM does not see it. Loop only, except where noted.
 */
final class TeeDisk extends PassThroughDisk {
    private static final Logger LOG = System.getLogger("org.blktap.filter.tee");

    /** Time limit of a removal of the filter, which is refused after that. */
    private static final long FLUSH_SECONDS = 5;

    private final String id;
    private final IoLoop loop;
    private final VirtualDisk second;
    private final TapSpec spec;
    private final Runnable complete;
    private final ArrayDeque<Pair> free = new ArrayDeque<>();
    /** Writes that wait for memory. */
    private final ArrayDeque<Pair> waiting = new ArrayDeque<>();

    private boolean writingWaiting;
    /** Memory for copies; null if there is no second disk. */
    private final WriteCopies copies;
    /** Why the second disk is not used any more; null while it has every write. */
    private volatile String lost;

    private volatile long writes;
    /** Whether the second disk is being flushed before the filter goes. */
    private boolean flushing;

    /**
     * @param second null if its use has ended already
     * @param lost see above
     * @param complete called when the filter is closed and the second disk has every write
     * @param copies memory for what both disks get; closed with this
     */
    TeeDisk(
            String id,
            IoLoop loop,
            VirtualDisk below,
            VirtualDisk second,
            TapSpec spec,
            String lost,
            Runnable complete,
            WriteCopies copies) {
        super(below);
        this.id = id;
        this.loop = loop;
        this.second = second;
        this.spec = spec;
        this.lost = lost;
        this.complete = complete;
        this.copies = copies;
    }

    @Override
    public void submit(Request request) {
        boolean reads = request.operation() == Operation.READ || request.operation() == Operation.MAP;
        if (reads || lost != null) {
            below().submit(request);
        } else {
            Pair pair = free.poll();
            (pair == null ? new Pair() : pair).start(request);
        }
    }

    private void lose(Operation operation, int errno) {
        if (lost == null) {
            lost = operation + " failed: " + Errno.text(errno);
            LOG.log(Level.WARNING, id + ": nothing more is written to the second disk " + spec + ": " + lost);
        }
    }

    private void writeWaiting() {
        if (writingWaiting) {
            // a disk that completes at once has led here
            return;
        }
        writingWaiting = true;
        while (!waiting.isEmpty() && (lost != null || copies.room() > 0)) {
            waiting.poll().write();
        }
        writingWaiting = false;
    }

    /** One change on both disks. A write goes to both as a copy, in parts if there is too little room. Reused. */
    private final class Pair {
        private final Substitute first = new Substitute(this::ended);
        private final Substitute other = new Substitute(this::otherEnded);
        private final Segments copy = new Segments(2);
        private Request request;
        /** Bytes that have been written. */
        private long done;

        private long part;
        private int left;

        void start(Request change) {
            request = change;
            done = 0;
            part = change.length();
            writes++;
            if (change.operation() == Operation.WRITE) {
                write();
                return;
            }
            first.of(change);
            other.of(change);
            if (change.has(Request.FAST_ONLY)) {
                // the second disk must not be lost only because it cannot do this fast
                other.set(change.operation(), change.offset(), change.length(), change.flags() & ~Request.FAST_ONLY);
            }
            if (change.operation() == Operation.DISCARD) {
                // disks may differ in what they contain after a discard
                first.set(Operation.WRITE_ZEROES, change.offset(), change.length(), change.flags());
                other.set(Operation.WRITE_ZEROES, change.offset(), change.length(), change.flags());
            }
            both();
        }

        /** Writes the next part; waits if there is no room for a copy. */
        private void write() {
            long rest = request.length() - done;
            part = lost == null ? Math.min(rest, copies.room()) : rest;
            if (part == 0) {
                waiting.add(this);
            } else if (lost != null) {
                left = 1;
                below().submit(partOf(first, request.data(), done));
            } else if (copies.take(request.data(), done, part, copy)) {
                partOf(first, copy, 0);
                partOf(other, copy, 0);
                both();
            } else {
                finish(Errno.EFAULT);
            }
        }

        private Request partOf(Substitute substitute, Segments data, long at) {
            substitute.of(request);
            substitute.data().sliceOf(data, at, part);
            return substitute.set(Operation.WRITE, request.offset() + done, part, request.flags());
        }

        private void both() {
            left = 2;
            below().submit(first);
            second.submit(other);
        }

        private void ended(Request ended) {
            end();
        }

        private void otherEnded(Request ended) {
            if (ended.error() != 0) {
                lose(ended.operation(), ended.error());
            }
            end();
        }

        private void end() {
            if (--left > 0) {
                return;
            }
            int error = first.error();
            first.release();
            other.release();
            if (copy.count() > 0) {
                copies.give(copy);
            }
            done += part;
            if (error == 0 && done < request.length()) {
                // after those that wait
                waiting.add(this);
            } else {
                finish(error);
            }
            writeWaiting();
        }

        private void finish(int error) {
            Request ended = request;
            request = null;
            free.push(this);
            ended.complete(error);
        }
    }

    /** {@inheritDoc} Flushes the second disk. An error of the second disk does not prevent the removal. */
    @Override
    public void beforeRemoval() throws DiskException {
        super.beforeRemoval();
        CompletableFuture<Void> flushed = new CompletableFuture<>();
        loop.execute(() -> flushSecond(flushed));
        try {
            flushed.get(FLUSH_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new DiskException(Reason.BUSY, id + ": the second disk " + spec + " takes too long to flush", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.BUSY, id + ": interrupted while the second disk was flushed", e);
        } catch (ExecutionException e) {
            throw new DiskException(Reason.IO, id + ": " + spec + ": " + e.getCause(), e);
        }
    }

    private void flushSecond(CompletableFuture<Void> flushed) {
        if (lost != null) {
            flushed.complete(null);
            return;
        }
        flushing = true;
        Request flush = new Request(
                ended -> {
                    flushing = false;
                    if (ended.error() != 0) {
                        lose(Operation.FLUSH, ended.error());
                    }
                    flushed.complete(null);
                },
                0);
        second.submit(flush.set(Operation.FLUSH, 0, 0, 0));
    }

    @Override
    public boolean busy() {
        return flushing || super.busy();
    }

    @Override
    public void draining(boolean begins) {
        if (second != null) {
            second.draining(begins);
        }
        super.draining(begins);
    }

    /** {@inheritDoc} Any thread. */
    @Override
    public Map<String, ?> stats() {
        Map<String, Object> stats = new LinkedHashMap<>();
        stats.put("to", spec.toString());
        stats.put("written", writes);
        stats.put("failed", lost == null ? "no" : lost);
        return stats;
    }

    @Override
    public void close() {
        if (second != null) {
            second.close();
            copies.close();
        }
        if (lost == null) {
            complete.run();
        }
    }
}
