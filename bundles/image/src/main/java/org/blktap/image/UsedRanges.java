package org.blktap.image;

import java.util.Map;
import java.util.TreeMap;
import org.blktap.api.memory.Alignment;

/**
 * Marks the units of a file that are in use, for checks. It holds ranges that do not touch, in at most 64 MiB of
 * memory. If the units in use are more scattered than that allows, the check makes passes ({@link #inPasses}), each of
 * which covers as much of the file as there is room for. One thread.
 */
public final class UsedRanges {
    /** Most ranges, of about 100 bytes each. */
    private static final int MOST_RANGES = 500_000;

    private static final int MOST_PASSES = 64;

    private final int unit;
    private final boolean inPasses;
    private final TreeMap<Long, Long> ends = new TreeMap<>();
    private long from;
    private long limit = Long.MAX_VALUE;
    private int passes;

    /** Thrown if the marked units are more scattered than the memory allows. */
    public static final class TooScattered extends RuntimeException {
        private static final long serialVersionUID = 1;

        TooScattered() {
            super("its tables point at more scattered places than a check can hold in memory");
        }
    }

    /** Called for each range. */
    @FunctionalInterface
    public interface Gap<E extends Exception> {
        /** Bytes {@code [offset, offset + length)} are not in use. */
        void at(long offset, long length) throws E;
    }

    private UsedRanges(int unit, boolean inPasses) {
        this.unit = unit;
        this.inPasses = inPasses;
    }

    /** @param unit bytes; ranges are rounded out to whole units */
    public UsedRanges(int unit) {
        this(unit, false);
    }

    /** Makes an object for a check that marks all ranges again after each {@link #next}. */
    public static UsedRanges inPasses(int unit) {
        return new UsedRanges(unit, true);
    }

    /** Begins the next pass, with nothing marked; false if this was the last. */
    public boolean next() {
        if (limit == Long.MAX_VALUE) {
            return false;
        }
        if (++passes == MOST_PASSES) {
            throw new TooScattered();
        }
        from = limit;
        limit = Long.MAX_VALUE;
        ends.clear();
        return true;
    }

    /** Whether this is the first pass. */
    public boolean isFirst() {
        return passes == 0;
    }

    /** Marks a range of bytes, as far as it belongs to this pass. */
    public void add(long offset, long length) {
        long start = Math.max(from, offset / unit);
        long end = Math.min(limit, end(offset, length));
        if (start >= end) {
            return;
        }
        Map.Entry<Long, Long> before = ends.floorEntry(start);
        if (before != null && before.getValue() >= start) {
            if (before.getValue() >= end) {
                return;
            }
            start = before.getKey();
        }
        for (Map.Entry<Long, Long> next = ends.ceilingEntry(start);
                next != null && next.getKey() <= end;
                next = ends.higherEntry(start)) {
            end = Math.max(end, next.getValue());
            ends.remove(next.getKey());
        }
        ends.put(start, end);
        if (ends.size() > MOST_RANGES) {
            if (!inPasses) {
                throw new TooScattered();
            }
            limit = ends.pollLastEntry().getKey();
        }
    }

    /** Whether a unit of the range is marked. */
    public boolean overlaps(long offset, long length) {
        Map.Entry<Long, Long> last = ends.lowerEntry(end(offset, length));
        return last != null && last.getValue() > offset / unit;
    }

    /** Bytes in marked units that begin before an offset. */
    public long bytesBelow(long offset) {
        long end = end(0, offset);
        long units = 0;
        for (Map.Entry<Long, Long> range : ends.headMap(end).entrySet()) {
            units += Math.min(end, range.getValue()) - range.getKey();
        }
        return units * unit;
    }

    /** Calls back for each range of this pass that is not marked and begins before an offset. */
    public <E extends Exception> void gaps(long offset, Gap<E> gap) throws E {
        long end = Math.min(limit, end(0, offset));
        long at = from;
        for (Map.Entry<Long, Long> range : ends.headMap(end).entrySet()) {
            if (range.getKey() > at) {
                gap.at(at * unit, (range.getKey() - at) * unit);
            }
            at = range.getValue();
        }
        if (at < end) {
            gap.at(at * unit, (end - at) * unit);
        }
    }

    private long end(long offset, long length) {
        return Alignment.units(offset + length, unit);
    }
}
