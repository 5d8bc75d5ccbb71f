package org.blktap.format.qcow2;

import java.util.Arrays;

/** A list of ranges of a file, in bytes; a range that begins where the last one ends extends it. */
final class Ranges {
    private long[] ends = new long[16];
    private int count;
    private long bytes;

    /** Adds {@code [from, to)}. */
    void add(long from, long to) {
        bytes += to - from;
        if (count > 0 && ends[count * 2 - 1] == from) {
            ends[count * 2 - 1] = to;
            return;
        }
        if (count * 2 == ends.length) {
            ends = Arrays.copyOf(ends, ends.length * 2);
        }
        ends[count * 2] = from;
        ends[count * 2 + 1] = to;
        count++;
    }

    void addAll(Ranges others) {
        for (int i = 0; i < others.count; i++) {
            add(others.from(i), others.to(i));
        }
    }

    /** Whether a range has a byte of {@code [from, to)}. */
    boolean overlaps(long from, long to) {
        for (int i = 0; i < count; i++) {
            if (ends[i * 2] < to && from < ends[i * 2 + 1]) {
                return true;
            }
        }
        return false;
    }

    /** {@link #overlaps} for a list in ascending order. */
    boolean sortedOverlap(long from, long to) {
        int low = 0;
        int high = count;
        while (low < high) {
            int middle = low + high >>> 1;
            if (ends[middle * 2 + 1] <= from) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low < count && ends[low * 2] < to;
    }

    int count() {
        return count;
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** Bytes of all of them. */
    long bytes() {
        return bytes;
    }

    long from(int i) {
        return ends[i * 2];
    }

    long to(int i) {
        return ends[i * 2 + 1];
    }

    void clear() {
        count = 0;
        bytes = 0;
    }
}
