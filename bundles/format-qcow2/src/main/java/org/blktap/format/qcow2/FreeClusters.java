package org.blktap.format.qcow2;

import java.util.Arrays;

/**
 * Free clusters, as sorted ranges of the file that do not touch; their number is bounded. The lowest range is used
 * first.
 */
final class FreeClusters {
    static final int MOST = 4096;

    private long[] starts = new long[16];
    private long[] ends = new long[16];
    private int count;

    /**
     * Adds {@code [from, to)}; false if there is no room for one more range. Bytes that are in the list already are not
     * added again.
     */
    boolean add(long from, long to) {
        // the first range that ends at {@code from} or later
        int i = Arrays.binarySearch(ends, 0, count, from);
        i = i < 0 ? -i - 1 : i;
        if (i < count && starts[i] <= to) {
            starts[i] = Math.min(starts[i], from);
            long end = Math.max(ends[i], to);
            int next = i + 1;
            while (next < count && starts[next] <= end) {
                end = Math.max(end, ends[next++]);
            }
            ends[i] = end;
            remove(i + 1, next);
            return true;
        }
        if (count == MOST) {
            return false;
        }
        if (count == starts.length) {
            starts = Arrays.copyOf(starts, count * 2);
            ends = Arrays.copyOf(ends, count * 2);
        }
        System.arraycopy(starts, i, starts, i + 1, count - i);
        System.arraycopy(ends, i, ends, i + 1, count - i);
        starts[i] = from;
        ends[i] = to;
        count++;
        return true;
    }

    private void remove(int first, int last) {
        System.arraycopy(starts, last, starts, first, count - last);
        System.arraycopy(ends, last, ends, first, count - last);
        count -= last - first;
    }

    /** Bytes of the lowest range; 0 if there is none. */
    long next() {
        return count == 0 ? 0 : ends[0] - starts[0];
    }

    /** Takes bytes, at most {@link #next}, from the beginning of the lowest range. */
    long take(long bytes) {
        long at = starts[0];
        starts[0] += bytes;
        if (starts[0] == ends[0]) {
            remove(0, 1);
        }
        return at;
    }

    /** Removes all ranges and returns them. */
    Ranges takeAll() {
        Ranges all = new Ranges();
        for (int i = 0; i < count; i++) {
            all.add(starts[i], ends[i]);
        }
        count = 0;
        return all;
    }
}
