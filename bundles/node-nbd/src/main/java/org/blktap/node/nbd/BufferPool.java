package org.blktap.node.nbd;

import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * Page-aligned buffers of one connection, in size classes of powers of two, cut from slabs that stay until
 * {@link #trim}. What was given back last is taken first, while it is in the cache. One thread.
 */
final class BufferPool implements AutoCloseable {
    private static final int MIN_SHIFT = 12;
    private static final int MAX_SHIFT = 25;
    /** Small buffers are cut from slabs of that size; larger ones are a slab each. */
    private static final int SLAB_BYTES = 1 << 20;

    private final NativeMemory memory;
    private final long limit;
    /** By size class, the first of the slabs that have free pieces. */
    private final Slab[] available = new Slab[MAX_SHIFT - MIN_SHIFT + 1];
    private long mapped;
    private int used;

    /** @param limit bytes mapped past which free slabs of other classes are given back first */
    BufferPool(NativeMemory memory, long limit) {
        this.memory = memory;
        this.limit = limit;
    }

    /** A run of pieces of one size. */
    final class Slab {
        private final NativeBuffer buffer;
        private final int sizeClass;
        private final long[] free;
        private int freeCount;
        private Slab next;

        private Slab(NativeBuffer buffer, int sizeClass, int pieces) {
            this.buffer = buffer;
            this.sizeClass = sizeClass;
            free = new long[pieces];
            for (int i = pieces - 1; i >= 0; i--) {
                free[freeCount++] = buffer.address() + ((long) i << sizeClass + MIN_SHIFT);
            }
        }

        /** Takes a piece: its address. */
        long take() {
            long address = free[--freeCount];
            used++;
            if (freeCount == 0) {
                available[sizeClass] = next;
            }
            return address;
        }

        /** Gives a piece back. */
        void give(long address) {
            if (freeCount == 0) {
                next = available[sizeClass];
                available[sizeClass] = this;
            }
            free[freeCount++] = address;
            used--;
        }

        private boolean isUnused() {
            return freeCount == free.length;
        }
    }

    /** The bytes that a buffer of a length takes. */
    static int sizeFor(int bytes) {
        return 1 << shift(bytes);
    }

    private static int shift(int bytes) {
        return Math.max(MIN_SHIFT, 32 - Integer.numberOfLeadingZeros(bytes - 1));
    }

    /**
     * A slab with a free piece of at least so many bytes, at most 32 MiB; the caller takes it.
     *
     * @throws OutOfMemoryError when the system refuses
     */
    Slab slab(int bytes) {
        int sizeClass = shift(bytes) - MIN_SHIFT;
        Slab slab = available[sizeClass];
        if (slab == null) {
            long slabBytes = Math.max(SLAB_BYTES, 1 << sizeClass + MIN_SHIFT);
            if (mapped + slabBytes > limit) {
                trim();
            }
            slab = new Slab(memory.allocate(slabBytes), sizeClass, (int) (slabBytes >> sizeClass + MIN_SHIFT));
            mapped += slabBytes;
            available[sizeClass] = slab;
        }
        return slab;
    }

    /** Gives slabs without used pieces back to the system. */
    void trim() {
        for (int i = 0; i < available.length; i++) {
            Slab kept = null;
            for (Slab slab = available[i]; slab != null;) {
                Slab next = slab.next;
                if (slab.isUnused()) {
                    mapped -= slab.buffer.size();
                    slab.buffer.close();
                } else {
                    slab.next = kept;
                    kept = slab;
                }
                slab = next;
            }
            available[i] = kept;
        }
    }

    /** Bytes held from the system. */
    long mapped() {
        return mapped;
    }

    /** Every piece has been given back. */
    @Override
    public void close() {
        if (used != 0) {
            throw new IllegalStateException(used + " buffers are in use");
        }
        trim();
    }
}
