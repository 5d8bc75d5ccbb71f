package org.blktap.jobs.bits;

import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;

/**
 * Bits in mapped memory. A bit is set in the file's pages at once, so that it survives the process. A page is written
 * only if one of its bits changes. The caller checks ranges. One thread changes bits; other threads may read them,
 * without an order between bits.
 */
public final class BitWords {
    private final long address;
    private final long count;

    /**
     * Uses memory that exists.
     *
     * @param address of the first word; bytes for {@code count} bits in whole words belong to it
     */
    public BitWords(long address, long count) {
        this.address = address;
        this.count = count;
    }

    /** Returns the bytes of memory for a number of bits, in whole pages. */
    public static long bytes(long count) {
        return Alignment.up(Alignment.units(count, Long.SIZE) * Long.BYTES, Alignment.PAGE);
    }

    /** Returns a word; the first bit is the lowest. */
    long word(long i) {
        return Memory.getLong(address + i * Long.BYTES);
    }

    private void word(long i, long value) {
        Memory.putLong(address + i * Long.BYTES, value);
    }

    public boolean get(long i) {
        return (word(i / Long.SIZE) >>> i % Long.SIZE & 1) != 0;
    }

    /** Sets or clears the bits {@code [from, end)}. Returns how many have changed. */
    public long put(long from, long end, boolean value) {
        long changed = 0;
        for (long i = from; i < end; ) {
            long stop = Math.min(end, (i / Long.SIZE + 1) * Long.SIZE);
            changed += putWord(i / Long.SIZE, -1L >>> Long.SIZE - (stop - i) << i % Long.SIZE, value);
            i = stop;
        }
        return changed;
    }

    private long putWord(long word, long mask, boolean value) {
        long before = word(word);
        long after = value ? before | mask : before & ~mask;
        if (after != before) {
            word(word, after);
        }
        return Long.bitCount(after ^ before);
    }

    /** Sets the bits that are set in {@code others}, which has the same count. Returns how many have changed. */
    long merge(BitWords others) {
        long changed = 0;
        for (long i = 0; i < words(); i++) {
            changed += putWord(i, others.word(i), true);
        }
        return changed;
    }

    /** Returns the first bit of {@code [from, end)} that is not set; {@code end} if there is none. */
    public long nextClear(long from, long end) {
        return next(from, end, -1);
    }

    /** Returns the first bit of {@code [from, end)} that is set; {@code end} if there is none. */
    public long nextSet(long from, long end) {
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

    /** Returns the number of bits that are set. */
    public long cardinality() {
        long sum = 0;
        for (long i = 0; i < count / Long.SIZE; i++) {
            sum += Long.bitCount(word(i));
        }
        long rest = count % Long.SIZE;
        return rest == 0 ? sum : sum + Long.bitCount(word(count / Long.SIZE) << Long.SIZE - rest);
    }

    private long words() {
        return Alignment.units(count, Long.SIZE);
    }
}
