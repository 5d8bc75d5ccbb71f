package org.blktap.image;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * Which units of a file are in use, for checks. Its memory follows what is marked, not how far the file reaches, and is bounded. One thread.
 */
public final class UsedRanges {
    private static final int CHUNK_BITS = 12;
    private static final int CHUNK = 1 << CHUNK_BITS;

    /** Of a chunk with all that holds it; so a check takes 256 MiB at most. */
    private static final int MOST_CHUNKS = 400_000;

    private final int unit;
    private final Map<Long, BitSet> chunks = new HashMap<>();

    /** More is marked, or farther apart, than can be held. */
    public static final class TooScattered extends RuntimeException {
        private static final long serialVersionUID = 1;

        TooScattered() {
            super("its tables point at more places than a check can hold in memory");
        }
    }

    /** @param unit bytes; ranges are rounded out to whole units */
    public UsedRanges(int unit) {
        this.unit = unit;
    }

    /** Marks a range of bytes. */
    public void add(long offset, long length) {
        long end = end(offset, length);
        for (long i = offset / unit; i < end; ) {
            int from = (int) (i & CHUNK - 1);
            int to = (int) Math.min(CHUNK, from + end - i);
            if (chunks.size() == MOST_CHUNKS && !chunks.containsKey(i >> CHUNK_BITS)) {
                throw new TooScattered();
            }
            chunks.computeIfAbsent(i >> CHUNK_BITS, k -> new BitSet(CHUNK)).set(from, to);
            i += to - from;
        }
    }

    /** Whether a unit of the range is marked. */
    public boolean overlaps(long offset, long length) {
        long end = end(offset, length);
        for (long i = offset / unit; i < end; ) {
            int from = (int) (i & CHUNK - 1);
            int to = (int) Math.min(CHUNK, from + end - i);
            BitSet chunk = chunks.get(i >> CHUNK_BITS);
            if (chunk != null) {
                int next = chunk.nextSetBit(from);
                if (next >= 0 && next < to) {
                    return true;
                }
            }
            i += to - from;
        }
        return false;
    }

    /** Bytes in marked units that begin before an offset. */
    public long bytesBelow(long offset) {
        long end = end(0, offset);
        long units = 0;
        for (Map.Entry<Long, BitSet> chunk : chunks.entrySet()) {
            long first = chunk.getKey() << CHUNK_BITS;
            if (first + CHUNK <= end) {
                units += chunk.getValue().cardinality();
            } else if (first < end) {
                units += chunk.getValue().get(0, (int) (end - first)).cardinality();
            }
        }
        return units * unit;
    }

    private long end(long offset, long length) {
        return (offset + length + unit - 1) / unit;
    }
}
