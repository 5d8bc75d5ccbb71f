package org.blktap.node.xen;

import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.ring.Blkif;

/**
 * Memory of ours for the data of requests whose pages are not mapped. Sizes are powers of two pages; a budget bounds all of it, and what does not fit waits
 * until other requests end. Loop only.
 */
final class BounceBuffers implements AutoCloseable {
    /** Of the largest request, {@link Blkif#INDIRECT_SEGMENTS_MAX} pages. */
    private static final int CLASSES = 9;
    /** A few of the largest requests, or a ring full of direct ones. */
    private static final long BUDGET = 16 << 20;

    private final NativeMemory memory;
    /** Free buffers of each size, as many as {@code freeCount} says. */
    private final NativeBuffer[][] free = new NativeBuffer[CLASSES][16];
    private final int[] freeCount = new int[CLASSES];
    private long taken;
    private long givenBack;

    BounceBuffers(NativeMemory memory) {
        this.memory = memory;
    }

    private static int sizeClass(long bytes) {
        int pages = (int) ((bytes + Blkif.PAGE - 1) / Blkif.PAGE);
        return Integer.SIZE - Integer.numberOfLeadingZeros(pages - 1);
    }

    /** A buffer of at least so many bytes, up to those of the largest request; null when there is none for now. */
    NativeBuffer take(long bytes) {
        int size = sizeClass(bytes);
        if (freeCount[size] > 0) {
            return free[size][--freeCount[size]];
        }
        long needed = (long) Blkif.PAGE << size;
        if (taken + needed > BUDGET) {
            // what is kept for requests of other sizes
            trim();
        }
        if (taken + needed > BUDGET) {
            return null;
        }
        taken += needed;
        return memory.allocate(needed);
    }

    void giveBack(NativeBuffer buffer) {
        int size = sizeClass(buffer.size());
        if (freeCount[size] == free[size].length) {
            free[size] = java.util.Arrays.copyOf(free[size], 2 * freeCount[size]);
        }
        free[size][freeCount[size]++] = buffer;
        givenBack++;
    }

    /** How often a buffer was given back: whoever got none tries again when this has changed. */
    long givenBack() {
        return givenBack;
    }

    /** Frees all that no request has. */
    void trim() {
        for (int size = 0; size < CLASSES; size++) {
            while (freeCount[size] > 0) {
                NativeBuffer buffer = free[size][--freeCount[size]];
                taken -= buffer.size();
                buffer.close();
            }
        }
    }

    /** Nothing is in use. */
    @Override
    public void close() {
        trim();
    }
}
