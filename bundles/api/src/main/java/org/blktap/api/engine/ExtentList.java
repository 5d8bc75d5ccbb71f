package org.blktap.api.engine;

import java.util.Arrays;

/** How a range of a disk or file is stored: runs in ascending order without gaps. Mutable, reused, one thread. */
public final class ExtentList {
    /** The run's bytes are stored. */
    public static final int DATA = 0;
    /** Flag: the run has no space of its own (NBD_STATE_HOLE). */
    public static final int HOLE = 1;
    /** Flag: the run reads as zeros (NBD_STATE_ZERO). */
    public static final int ZERO = 2;

    private long[] length = new long[16];
    private int[] state = new int[16];
    private int count;

    public void clear() {
        count = 0;
    }

    /** Appends a run; joins it to the last run if their states are equal, and ignores an empty run. */
    public void add(long bytes, int runState) {
        if (bytes == 0) {
            return;
        }
        if (count > 0 && state[count - 1] == runState) {
            length[count - 1] += bytes;
            return;
        }
        if (count == length.length) {
            length = Arrays.copyOf(length, count * 2);
            state = Arrays.copyOf(state, count * 2);
        }
        length[count] = bytes;
        state[count] = runState;
        count++;
    }

    public int count() {
        return count;
    }

    /** Bytes of run {@code i}. */
    public long length(int i) {
        return length[i];
    }

    /** {@link #DATA}, or a set of {@link #HOLE} and {@link #ZERO}. */
    public int state(int i) {
        return state[i];
    }

    /** Bytes of all runs. */
    public long total() {
        long sum = 0;
        for (int i = 0; i < count; i++) {
            sum += length[i];
        }
        return sum;
    }
}
