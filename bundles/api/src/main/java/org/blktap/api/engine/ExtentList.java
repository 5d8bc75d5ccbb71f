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

    /** Depth of bytes that no image of the chain has: they read as zeros. */
    public static final int NOWHERE = 0;
    /** Depth of bytes that the disk's own image has; those of its backing image have 2, and so on down the chain. */
    public static final int HERE = 1;

    private long[] length = new long[16];
    private int[] state = new int[16];
    private int[] depth = new int[16];
    private int count;

    public void clear() {
        count = 0;
    }

    /** Appends a run of the disk's own image. */
    public void add(long bytes, int runState) {
        add(bytes, runState, HERE);
    }

    /**
     * Appends a run; joins it to the last run if state and depth are equal, and ignores an empty run.
     *
     * @param runDepth see {@link #depth}
     */
    public void add(long bytes, int runState, int runDepth) {
        if (bytes == 0) {
            return;
        }
        if (count > 0 && state[count - 1] == runState && depth[count - 1] == runDepth) {
            length[count - 1] += bytes;
            return;
        }
        if (count == length.length) {
            length = Arrays.copyOf(length, count * 2);
            state = Arrays.copyOf(state, count * 2);
            depth = Arrays.copyOf(depth, count * 2);
        }
        length[count] = bytes;
        state[count] = runState;
        depth[count] = runDepth;
        count++;
    }

    /**
     * Adds the runs of the disk's backing disk, one deeper than it has reported them.
     *
     * @param backing a list that the backing disk has filled in
     */
    public void addBacking(ExtentList backing) {
        for (int i = 0; i < backing.count; i++) {
            int below = backing.depth[i];
            add(backing.length[i], backing.state[i], below == NOWHERE ? NOWHERE : below + 1);
        }
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

    /**
     * Which image of the chain has run {@code i}: {@link #NOWHERE}, {@link #HERE}, 2 for the backing image, and so on.
     * What {@code qemu:allocation-depth} reports.
     */
    public int depth(int i) {
        return depth[i];
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
