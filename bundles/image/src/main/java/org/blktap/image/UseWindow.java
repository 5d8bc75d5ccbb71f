package org.blktap.image;

import java.util.BitSet;
import java.util.function.LongConsumer;

/**
 * Which units of a file are in use, for checks of files with more units than can be held in memory: a window that moves over the file, for
 * each place of which the check goes through its tables again. 16 MiB of memory, whatever the image says. One thread.
 */
public final class UseWindow {
    private static final int MOST_UNITS = 1 << 27;

    private final int unit;
    private final int windowUnits;
    private final long end;
    private final BitSet bits;
    private long start;
    private long next;
    private long marked;
    /** Where the unmarked run begins that reaches up to this window. */
    private long freeFrom;

    /**
     * @param unit bytes; ranges are rounded out to whole units
     * @param endBytes of the file, as far as it matters
     */
    public UseWindow(int unit, long endBytes) {
        this(unit, endBytes, MOST_UNITS);
    }

    UseWindow(int unit, long endBytes, int windowUnits) {
        this.unit = unit;
        this.windowUnits = windowUnits;
        end = unitsUp(endBytes);
        bits = new BitSet((int) Math.min(windowUnits, end));
    }

    private long unitsUp(long bytes) {
        return (bytes + unit - 1) / unit;
    }

    /** Moves on to the next part of the file, at first to the first one; false if there is none. */
    public boolean next() {
        bits.clear();
        start = next;
        next = Math.min(end, start + windowUnits);
        return start < end;
    }

    /** Whether the window is at the beginning of the file: for what has to be looked at only once. */
    public boolean isFirst() {
        return start == 0;
    }

    /** Whether a part of the range lies in the window. */
    public boolean touches(long offset, long length) {
        return offset / unit < next && unitsUp(offset + length) > start;
    }

    /** Marks what of a range lies in the window. False if a part of that was marked already. */
    public boolean claim(long offset, long length) {
        if (!touches(offset, length)) {
            return true;
        }
        int from = (int) (Math.max(start, offset / unit) - start);
        int to = (int) (Math.min(next, unitsUp(offset + length)) - start);
        int found = bits.nextSetBit(from);
        boolean free = found < 0 || found >= to;
        marked += to - from - (free ? 0 : bits.get(from, to).cardinality());
        bits.set(from, to);
        return free;
    }

    /** Bytes of all units that have been marked, in all windows so far. */
    public long markedBytes() {
        return marked * unit;
    }

    /** Calls back for each run of unmarked units that ends in this window or with the file, in bytes. Once for each window, after all is marked. */
    public void freeRuns(LongConsumer bytes) {
        int units = (int) (next - start);
        for (int set = bits.nextSetBit(0); set >= 0 && set < units; set = bits.nextSetBit(set)) {
            if (start + set > freeFrom) {
                bytes.accept((start + set - freeFrom) * unit);
            }
            set = bits.nextClearBit(set);
            freeFrom = start + set;
        }
        if (next == end && end > freeFrom) {
            bytes.accept((end - freeFrom) * unit);
        }
    }
}
