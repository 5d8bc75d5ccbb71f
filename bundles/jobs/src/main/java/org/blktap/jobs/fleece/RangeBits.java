package org.blktap.jobs.fleece;

import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;

/**
 * Bits in mapped memory, one for each range of a disk. A bit that is set is in the file's pages at once, so that it
 * outlives the process. One thread.
 */
final class RangeBits {
    private final long address;
    private final long count;

    /** @param address of {@link #bytes} bytes */
    RangeBits(long address, long count) {
        this.address = address;
        this.count = count;
    }

    /** The memory that so many bits take: whole pages. */
    static long bytes(long count) {
        return Alignment.up(Alignment.units(count, Long.SIZE) * Long.BYTES, Alignment.PAGE);
    }

    private long word(long i) {
        return Memory.getLong(address + i * Long.BYTES);
    }

    boolean get(long i) {
        return (word(i / Long.SIZE) >>> i % Long.SIZE & 1) != 0;
    }

    /** Sets or clears the bits {@code [from, end)}. */
    void put(long from, long end, boolean value) {
        for (long i = from; i < end; ) {
            long word = i / Long.SIZE;
            long stop = Math.min(end, (word + 1) * Long.SIZE);
            long mask = -1L >>> Long.SIZE - (stop - i) << i % Long.SIZE;
            Memory.putLong(address + word * Long.BYTES, value ? word(word) | mask : word(word) & ~mask);
            i = stop;
        }
    }

    /** The first bit of {@code [from, end)} that is not set; {@code end} if there is none. */
    long nextClear(long from, long end) {
        return next(from, end, -1);
    }

    /** The first bit of {@code [from, end)} that is set; {@code end} if there is none. */
    long nextSet(long from, long end) {
        return next(from, end, 0);
    }

    private long next(long from, long end, long invert) {
        for (long i = from; i < end; i = (i / Long.SIZE + 1) * Long.SIZE) {
            long found = (word(i / Long.SIZE) ^ invert) >>> i % Long.SIZE;
            if (found != 0) {
                return Math.min(end, i + Long.numberOfTrailingZeros(found));
            }
        }
        return end;
    }

    /** How many are set. */
    long cardinality() {
        long sum = 0;
        for (long i = 0; i < Alignment.units(count, Long.SIZE); i++) {
            sum += Long.bitCount(word(i));
        }
        return sum;
    }
}
