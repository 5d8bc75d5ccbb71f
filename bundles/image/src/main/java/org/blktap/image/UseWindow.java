package org.blktap.image;

import java.util.Arrays;
import java.util.function.LongConsumer;
import org.blktap.api.memory.Alignment;

/**
 * Marks the units of a file that are in use, for checks of files with more units than fit into memory. A window moves
 * over the file, and for each of its positions the check reads the image's tables again. Takes at most 16 MiB of
 * memory. One thread.
 */
public final class UseWindow {
    private static final int MOST_UNITS = 1 << 27;

    private final int unit;
    private final int windowUnits;
    private final long end;
    private final long[] bits;
    private long start;
    private long next;
    private long marked;
    /** Beginning of the unmarked run that reaches up to this window. */
    private long freeFrom;

    /**
     * @param unit bytes; ranges are rounded out to whole units
     * @param endBytes end of the part of the file that is checked
     */
    public UseWindow(int unit, long endBytes) {
        this(unit, endBytes, MOST_UNITS);
    }

    UseWindow(int unit, long endBytes, int windowUnits) {
        this.unit = unit;
        this.windowUnits = windowUnits;
        end = unitsUp(endBytes);
        bits = new long[(int) (Math.min(windowUnits, end) + Long.SIZE - 1 >> 6)];
    }

    private long unitsUp(long bytes) {
        return Alignment.units(bytes, unit);
    }

    /** Moves to the next part of the file, at the first call to the first part; false if there is none. */
    public boolean next() {
        Arrays.fill(bits, 0);
        start = next;
        next = Math.min(end, start + windowUnits);
        return start < end;
    }

    /** Whether the window is at the beginning of the file, for checks that are made only once. */
    public boolean isFirst() {
        return start == 0;
    }

    /** The number of the window, from 0 on. */
    public int number() {
        return (int) (start / windowUnits);
    }

    /** The number of the window in which a byte lies, or would lie if the file were longer. */
    public int number(long offset) {
        return (int) Math.min(Integer.MAX_VALUE, offset / unit / windowUnits);
    }

    /** Whether a part of the range lies in the window. */
    public boolean touches(long offset, long length) {
        return offset / unit < next && unitsUp(offset + length) > start;
    }

    /** Marks the part of a range that lies in the window. False if any of it was marked already. */
    public boolean claim(long offset, long length) {
        if (!touches(offset, length)) {
            return true;
        }
        int from = (int) (Math.max(start, offset / unit) - start);
        int to = (int) (Math.min(next, unitsUp(offset + length)) - start);
        long busy = 0;
        for (int at = from; at < to; at = (at | Long.SIZE - 1) + 1) {
            // the bits of one word
            long mask = -1L << at & -1L >>> -Math.min(to, (at | Long.SIZE - 1) + 1);
            busy |= bits[at >> 6] & mask;
            marked += Long.bitCount(mask & ~bits[at >> 6]);
            bits[at >> 6] |= mask;
        }
        return busy == 0;
    }

    /** Bytes of all units that have been marked, in all windows so far. */
    public long markedBytes() {
        return marked * unit;
    }

    /**
     * Calls back for each run of unmarked units that ends in this window or with the file, in bytes. Once for each
     * window, after all is marked.
     */
    public void freeRuns(LongConsumer bytes) {
        int units = (int) (next - start);
        for (int at = next(0, true, units); at < units; at = next(at, true, units)) {
            if (start + at > freeFrom) {
                bytes.accept((start + at - freeFrom) * unit);
            }
            at = next(at, false, units);
            freeFrom = start + at;
        }
        if (next == end && end > freeFrom) {
            bytes.accept((end - freeFrom) * unit);
        }
    }

    /** Returns the first unit from {@code from} on whose mark is {@code set}, or the end. */
    private int next(int from, boolean set, int end) {
        for (int at = from; at < end; at = (at | Long.SIZE - 1) + 1) {
            long word = (set ? bits[at >> 6] : ~bits[at >> 6]) & -1L << at;
            if (word != 0) {
                return Math.min(end, at & -Long.SIZE | Long.numberOfTrailingZeros(word));
            }
        }
        return end;
    }
}
