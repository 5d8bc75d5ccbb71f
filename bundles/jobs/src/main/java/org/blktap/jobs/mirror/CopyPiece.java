package org.blktap.jobs.mirror;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.memory.NativeBuffer;

/**
 * A range that is being copied: it is read as a whole, and written in parts, zeros by zeroing. Made once and reused.
 * Loop only.
 */
final class CopyPiece {
    /** Bytes of the largest piece that is read. */
    static final int BYTES = 128 << 10;
    /** Zeros in runs of less than this are written: holes cost too. */
    static final int GRANULE = 4096;

    private final Copier copier;
    private final long address;
    private final ByteBuffer bytes;
    private final ByteBuffer zeros;
    private final Request reading = new Request(this::wasRead, 1);
    private final Request writing = new Request(this::written, 1);
    private long offset;
    private long length;
    /** Whether the target has only zeros in the range. */
    private boolean fresh;
    /** Begin and end of each part that is written, relative to the piece. */
    private int[] parts = new int[2];

    private int partCount;
    private int part;
    private int next;
    private boolean running;
    private boolean again;
    /** Whether the VM has changed something in the range meanwhile. */
    private boolean touched;
    /** When the read began, by the loop's clock; 0 without a read. */
    private long startedNanos;

    CopyPiece(Copier copier, NativeBuffer memory, long at, ByteBuffer zeros) {
        this.copier = copier;
        this.address = memory.address() + at;
        this.bytes = memory.bytes(at, BYTES);
        this.zeros = zeros;
    }

    long begin() {
        return offset;
    }

    long end() {
        return offset + length;
    }

    boolean touched() {
        return touched;
    }

    void touch(long from, long to) {
        touched |= from < end() && offset < to;
    }

    /** Begins a piece. {@link #part} adds the parts that are written, then {@link #read} or {@link #zero} starts it. */
    void at(long from, long to, boolean isFresh) {
        offset = from;
        length = to - from;
        fresh = isFresh;
        partCount = 0;
        touched = false;
        startedNanos = 0;
    }

    /** Adds a part, and joins it to the previous one if there is no gap. */
    void part(long from, long to) {
        int begin = (int) (from - offset);
        int end = (int) (to - offset);
        if (partCount > 0 && parts[2 * partCount - 1] == begin) {
            parts[2 * partCount - 1] = end;
            return;
        }
        if (2 * partCount == parts.length) {
            parts = Arrays.copyOf(parts, 2 * parts.length);
        }
        parts[2 * partCount] = begin;
        parts[2 * partCount + 1] = end;
        partCount++;
    }

    boolean hasParts() {
        return partCount > 0;
    }

    long startedNanos() {
        return startedNanos;
    }

    void read(long nowNanos) {
        startedNanos = nowNanos;
        part = 0;
        next = parts[0];
        reading.data().clear();
        reading.data().add(address, (int) length);
        try {
            copier.source().submit(reading.set(Operation.READ, offset, length, 0));
        } catch (RuntimeException | Error e) {
            copier.failures().threw(e);
            copier.ended(this, false);
        }
    }

    /** Writes zeros, of any length, without a read. */
    void zero() {
        part = partCount;
        submit(writing.set(Operation.WRITE_ZEROES, offset, length, 0));
    }

    private void wasRead(Request request) {
        if (request.error() != 0) {
            copier.failures().source(Operation.READ, request.offset(), request.error());
            copier.ended(this, false);
        } else {
            writeNext();
        }
    }

    private void written(Request request) {
        if (request.error() != 0) {
            copier.failures().target(request.operation(), request.offset(), request.error());
            copier.ended(this, false);
        } else {
            writeNext();
        }
    }

    /** Writes one run after the other, without recursion if a write completes at once. */
    private void writeNext() {
        if (running) {
            again = true;
            return;
        }
        running = true;
        do {
            again = false;
            if (!writeRun()) {
                running = false;
                copier.ended(this, true);
                return;
            }
        } while (again);
        running = false;
    }

    /** Submits the write of the next run; returns false if there is none. */
    private boolean writeRun() {
        while (part < partCount) {
            int end = parts[2 * part + 1];
            if (next == end) {
                next = ++part < partCount ? parts[2 * part] : 0;
                continue;
            }
            int start = next;
            boolean zero = isZero(start, end);
            while (next < end && isZero(next, end) == zero) {
                next = granuleEnd(next, end);
            }
            if (zero && fresh) {
                continue;
            }
            if (zero) {
                submit(writing.set(Operation.WRITE_ZEROES, offset + start, next - start, 0));
            } else {
                writing.data().clear();
                writing.data().add(address + start, next - start);
                submit(writing.set(Operation.WRITE, offset + start, next - start, 0));
            }
            return true;
        }
        return false;
    }

    private void submit(Request request) {
        try {
            copier.target().submit(request);
        } catch (RuntimeException | Error e) {
            copier.failures().threw(e);
            copier.ended(this, false);
        }
    }

    private int granuleEnd(int start, int end) {
        return (int) Math.min(end, start + GRANULE - (offset + start) % GRANULE);
    }

    private boolean isZero(int start, int end) {
        int count = granuleEnd(start, end) - start;
        return bytes.get(start) == 0 && bytes.slice(start, count).mismatch(zeros.slice(0, count)) < 0;
    }
}
