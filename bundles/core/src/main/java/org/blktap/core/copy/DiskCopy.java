package org.blktap.core.copy;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.control.Images.Progress;
import org.blktap.api.disk.BlockingDisk;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * Copies one disk to another, several pieces at a time. Ranges that the source maps as zeros are not read; zeros that
 * are read are not written, so that a new image has holes there. Each disk has its own loop, so that one reads while
 * the other writes; a piece moves between the loops, and everything else is on the source's loop.
 */
public final class DiskCopy implements AutoCloseable {
    private static final int PIECE = 512 << 10;
    private static final int SLOTS = 32;
    /**
     * Pieces that are read at once. The others are being written, or wait for the target's tables: where a file system
     * does not do I/O asynchronously, all that is submitted in one turn ends together, and with all slots in it the two
     * disks would take turns.
     */
    private static final int MOST_READS = 8;
    /** Zeros in runs of less than this are written: holes cost too. */
    private static final int SMALLEST_HOLE = 4096;

    private static final int LARGEST_HOLE = 64 << 10;
    private static final long TELL_MILLISECONDS = 200;

    /** What a target reads where nothing is written to it. */
    public enum Unwritten {
        ZEROS,
        /** Zeros must be written. */
        ANYTHING,
        /** What its backing image has: only what the source's own image has is copied, zeros too. */
        BACKING
    }

    private final VirtualDisk from;
    private final VirtualDisk to;
    private final IoLoop fromLoop;
    private final IoLoop toLoop;
    private final Unwritten unwritten;

    private final String fromName;
    private final String toName;
    private final long size;
    private final int granule;
    private final NativeBuffer memory;
    private final ByteBuffer zeros;
    private final ArrayDeque<Transfer> free = new ArrayDeque<>();
    private final ExtentList extents = new ExtentList();
    private final Request map = new Request(this::mapped, 0);
    private final CompletableFuture<Void> copied = new CompletableFuture<>();
    /** Pieces being read. */
    private int reads;

    private int extent;
    /** Bytes of the extent that are left. */
    private long left;
    /** Next byte to read; all bytes before it are done or in a transfer. */
    private long at;

    private boolean mapping;
    private boolean advancing;
    private DiskException failure;
    private volatile boolean cancelled;
    private volatile long done;

    public DiskCopy(
            VirtualDisk from,
            Object fromName,
            IoLoop fromLoop,
            VirtualDisk to,
            Object toName,
            IoLoop toLoop,
            Unwritten unwritten,
            NativeMemory nativeMemory) {
        this.from = from;
        this.to = to;
        this.fromName = fromName.toString();
        this.toName = toName.toString();
        this.fromLoop = fromLoop;
        this.toLoop = toLoop;
        this.unwritten = unwritten;
        size = from.info().sizeBytes();
        granule = Math.max(
                SMALLEST_HOLE,
                Math.min(
                        LARGEST_HOLE,
                        Integer.highestOneBit(Math.max(1, to.info().optimalIoSize()))));
        memory = nativeMemory.allocate((long) PIECE * SLOTS + granule);
        zeros = memory.bytes((long) PIECE * SLOTS, granule);
        for (int i = 0; i < SLOTS; i++) {
            free.add(new Transfer(i));
        }
    }

    /** Copies, and makes the copy survive power loss. Waits; not for the loop's thread. */
    public void run(Progress progress) throws DiskException {
        fromLoop.execute(this::advance);
        while (true) {
            try {
                copied.get(TELL_MILLISECONDS, TimeUnit.MILLISECONDS);
                break;
            } catch (TimeoutException e) {
                cancelled |= !progress.at(done, size);
            } catch (InterruptedException e) {
                cancelled = true;
                Thread.currentThread().interrupt();
            } catch (ExecutionException e) {
                throw e.getCause() instanceof DiskException known
                        ? known
                        : new DiskException(Reason.IO, toName + ": " + e.getCause(), e);
            }
        }
        new BlockingDisk(to, toLoop, toName).flush();
        progress.at(size, size);
    }

    /** Starts what can be, and ends when there is nothing left. */
    private void advance() {
        if (advancing) {
            return;
        }
        advancing = true;
        while (!stopped() && at < size && !free.isEmpty() && reads < MOST_READS && !mapping) {
            if (left == 0) {
                nextExtent();
            } else if (unwritten == Unwritten.BACKING && extents.depth(extent) != ExtentList.HERE) {
                skip();
            } else if ((extents.state(extent) & ExtentList.ZERO) != 0) {
                skipZeros();
            } else {
                int length = (int) Math.min(left, PIECE - at % PIECE);
                Transfer transfer = free.poll();
                long offset = at;
                at += length;
                left -= length;
                transfer.read(offset, length);
            }
        }
        advancing = false;
        if (free.size() == SLOTS && !mapping && (stopped() || at == size)) {
            if (failure == null && cancelled) {
                failure = new DiskException(Reason.IO, toName + ": given up");
            }
            if (failure == null) {
                copied.complete(null);
            } else {
                copied.completeExceptionally(failure);
            }
        }
    }

    private boolean stopped() {
        return cancelled || failure != null;
    }

    private void nextExtent() {
        if (++extent < extents.count()) {
            takeRun();
            return;
        }
        extents.clear();
        mapping = true;
        try {
            from.submit(map.setMap(at, Math.min(size - at, BlockingDisk.STRIDE), extents));
        } catch (RuntimeException | Error e) {
            mapping = false;
            fail(BlockingDisk.internal(fromName, e));
        }
    }

    private void mapped(Request request) {
        mapping = false;
        if (request.error() != 0) {
            fail(BlockingDisk.failed(fromName, Operation.MAP, request.offset(), request.error()));
        } else if (extents.count() == 0 || extents.total() > request.length()) {
            fail(new DiskException(
                    Reason.IO,
                    fromName + ": its map at offset " + at + " has " + extents.total() + " bytes, of "
                            + request.length()));
        } else {
            extent = 0;
            takeRun();
        }
        advance();
    }

    private void skip() {
        at += left;
        done += left;
        left = 0;
    }

    /** Takes an extent with those after it that differ only in which image of the chain has them. */
    private void takeRun() {
        left = extents.length(extent);
        while (extent + 1 < extents.count() && joins(extent, extent + 1)) {
            left += extents.length(++extent);
        }
    }

    private boolean joins(int first, int second) {
        return extents.state(second) == extents.state(first)
                && (unwritten != Unwritten.BACKING || extents.depth(second) == extents.depth(first));
    }

    private void skipZeros() {
        if (unwritten == Unwritten.ZEROS) {
            skip();
            return;
        }
        long length = Math.min(left, BlockingDisk.STRIDE);
        Transfer transfer = free.poll();
        long offset = at;
        at += length;
        left -= length;
        transfer.zero(offset, length);
    }

    private void fail(DiskException e) {
        if (failure == null) {
            failure = e;
        }
    }

    /** A piece under way. */
    private final class Transfer {
        private final long address;
        private final ByteBuffer bytes;
        private final Request reading = new Request(this::wasRead, 1);
        private final Request writing = new Request(this::written, 1);
        private final Runnable write = () -> guarded(this::writeNext);
        private final Runnable zero = () -> guarded(this::writeZeros);
        private final Runnable ended = this::ended;
        private long offset;
        private long length;
        /** Next byte of the piece; all before it is written or a hole. */
        private int next;

        private DiskException error;

        Transfer(int i) {
            address = memory.address() + (long) i * PIECE;
            bytes = memory.bytes((long) i * PIECE, PIECE);
        }

        private void start(long pieceOffset, long pieceLength) {
            offset = pieceOffset;
            length = pieceLength;
            next = 0;
            error = null;
        }

        void read(long pieceOffset, int pieceLength) {
            start(pieceOffset, pieceLength);
            reads++;
            reading.data().clear();
            reading.data().add(address, pieceLength);
            try {
                from.submit(reading.set(Operation.READ, offset, length, 0));
            } catch (RuntimeException | Error e) {
                reads--;
                error = BlockingDisk.internal(fromName, e);
                ended();
            }
        }

        /** Zeros for the target alone. */
        void zero(long pieceOffset, long pieceLength) {
            start(pieceOffset, pieceLength);
            toLoop.execute(zero);
        }

        private void wasRead(Request request) {
            reads--;
            if (request.error() != 0) {
                error = BlockingDisk.failed(fromName, Operation.READ, offset, request.error());
                ended();
            } else {
                toLoop.execute(write);
                advance();
            }
        }

        // ---- on the target's loop

        private void guarded(Runnable step) {
            try {
                step.run();
            } catch (RuntimeException | Error e) {
                error = BlockingDisk.internal(toName, e);
                fromLoop.execute(ended);
            }
        }

        private void writeZeros() {
            next = Integer.MAX_VALUE;
            to.submit(writing.set(Operation.WRITE_ZEROES, offset, length, 0));
        }

        private void writeNext() {
            int start = next;
            boolean zeros = false;
            if (unwritten == Unwritten.ZEROS) {
                start = run(start, true);
            } else if (start < length) {
                zeros = isZero(start);
            }
            if (start >= length) {
                fromLoop.execute(ended);
                return;
            }
            next = run(start, zeros);
            int bytesNow = next - start;
            if (zeros) {
                to.submit(writing.set(Operation.WRITE_ZEROES, offset + start, bytesNow, 0));
            } else {
                writing.data().clear();
                writing.data().add(address + start, bytesNow);
                to.submit(writing.set(Operation.WRITE, offset + start, bytesNow, 0));
            }
        }

        /** The end of the run of granules that are zeros, or that are not. */
        private int run(int start, boolean zeros) {
            int end = start;
            while (end < length && isZero(end) == zeros) {
                end = granuleEnd(end);
            }
            return end;
        }

        private int granuleEnd(int start) {
            return (int) Math.min(length, start + granule - (offset + start) % granule);
        }

        private boolean isZero(int start) {
            int count = granuleEnd(start) - start;
            return bytes.get(start) == 0 && bytes.slice(start, count).mismatch(zeros.slice(0, count)) < 0;
        }

        private void written(Request request) {
            if (request.error() != 0) {
                error = BlockingDisk.failed(toName, request.operation(), request.offset(), request.error());
                fromLoop.execute(ended);
            } else {
                guarded(this::writeNext);
            }
        }

        // ---- on the source's

        private void ended() {
            if (error != null) {
                fail(error);
            }
            done += length;
            free.push(this);
            advance();
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
