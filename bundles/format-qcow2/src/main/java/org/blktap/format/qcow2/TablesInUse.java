package org.blktap.format.qcow2;

import java.util.Arrays;

/**
 * The L2 tables of an image: each once, in ascending order, with the number of L1 tables that point at it. So a table
 * that snapshots share is read once. Takes 32 MiB at most.
 */
final class TablesInUse {
    /** Most tables, one for each entry of the largest L1 table. */
    static final int MOST = Qcow2Header.MAX_L1_ENTRIES;
    /**
     * The low 9 bits and the high 8 bits of an offset are zero: shifted, it leaves room for a number in the low bits.
     */
    private static final int SHIFT = 7;

    private static final int TIMES_BITS = 16;
    private static final long MOST_TIMES = (1L << TIMES_BITS) - 1;

    /** Offsets, shifted, with the number of L1 tables less one. */
    private long[] tables = new long[1024];

    private int count;
    /** Index of the first L2 table of the current L1 table. */
    private int begin;

    /** Adds an L2 table that the current L1 table points at; false if there are too many. */
    boolean add(long offset) {
        if (count == tables.length) {
            if (count == MOST) {
                return false;
            }
            tables = Arrays.copyOf(tables, Math.min(MOST, count + (count >> 1)));
        }
        tables[count++] = offset << SHIFT;
        return true;
    }

    /** Ends the current L1 table. Returns an L2 table that it points at twice, or 0. */
    long endOfL1() {
        Arrays.sort(tables, begin, count);
        long twice = 0;
        for (int i = begin + 1; i < count && twice == 0; i++) {
            twice = tables[i] == tables[i - 1] ? tables[i] >> SHIFT : 0;
        }
        if (count > tables.length / 2) {
            merge();
        }
        begin = count;
        return twice;
    }

    /** Removes duplicates, after the last one is added. */
    void merge() {
        Arrays.sort(tables, 0, count);
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (kept > 0 && tables[kept - 1] >> TIMES_BITS == tables[i] >> TIMES_BITS) {
                long times = (tables[kept - 1] & MOST_TIMES) + (tables[i] & MOST_TIMES) + 1;
                tables[kept - 1] = tables[kept - 1] & ~MOST_TIMES | Math.min(times, MOST_TIMES);
            } else {
                tables[kept++] = tables[i];
            }
        }
        count = kept;
        begin = kept;
    }

    int count() {
        return count;
    }

    long offset(int i) {
        return tables[i] >> TIMES_BITS << TIMES_BITS - SHIFT;
    }

    /** How many L1 tables point at table {@code i}. */
    int times(int i) {
        return (int) (tables[i] & MOST_TIMES) + 1;
    }

    /** Returns the index of a table that has been added. */
    int find(long offset) {
        int i = Arrays.binarySearch(tables, 0, count, offset << SHIFT);
        return i < 0 ? -i - 1 : i;
    }
}
