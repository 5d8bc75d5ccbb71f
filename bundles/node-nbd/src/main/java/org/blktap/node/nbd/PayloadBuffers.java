package org.blktap.node.nbd;

import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.Quota;

/**
 * Page-aligned buffers of the clients of one export, in size classes of powers of two, cut from slabs that stay until
 * {@link #trim}. What was returned last is taken first, while it is in the cache. One thread.
 *
 * <p>Slabs are counted against the export's share of the memory. A client may have at most as much as is left for
 * others, so that however many clients keep what they have, there is something for one more.
 */
final class PayloadBuffers implements AutoCloseable {
    private static final int MIN_SHIFT = 12;
    private static final int MAX_SHIFT = 25;
    /** Small buffers are cut from slabs of that size; larger ones are a slab each. */
    private static final int SLAB_BYTES = 1 << 20;

    private final NativeMemory memory;
    private final Quota.Share share;
    /**
     * The last of the share is kept for small buffers of clients that have none: enough for 128 clients, in slabs of
     * all small sizes.
     */
    static final long SLACK = 16 << 20;

    private static final int SMALL = 64 << 10;

    /** First slab with free pieces of each size class. */
    private final Slab[] available = new Slab[MAX_SHIFT - MIN_SHIFT + 1];

    private long mapped;
    private int used;
    private long usedBytes;

    /** @param share of the memory of all exports */
    PayloadBuffers(NativeMemory memory, Quota.Share share) {
        this.memory = memory;
        this.share = share;
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
            usedBytes += 1L << sizeClass + MIN_SHIFT;
            if (freeCount == 0) {
                available[sizeClass] = next;
            }
            return address;
        }

        /** Returns a piece. */
        void give(long address) {
            if (freeCount == 0) {
                next = available[sizeClass];
                available[sizeClass] = this;
            }
            free[freeCount++] = address;
            used--;
            usedBytes -= 1L << sizeClass + MIN_SHIFT;
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
     * Whether a client may take one more buffer; if so, {@link #slab} has it. A small one is there for each client that
     * has none.
     *
     * @param held bytes that the client has
     */
    boolean admits(long held, int bytes) {
        int size = sizeFor(bytes);
        boolean first = held == 0 && size <= SMALL;
        if (held > 0 && held + size > unused() || !first && !leaves(SLACK)) {
            return false;
        }
        return available[shift(bytes) - MIN_SHIFT] != null || map(bytes, first ? 0 : SLACK);
    }

    /** Bytes for those who have some already: what is neither in use nor out of reach. */
    private long unused() {
        return mapped - usedBytes + share.left();
    }

    /** Whether so much of the share is left, perhaps after a trim. */
    private boolean leaves(long bytes) {
        if (share.left() < bytes) {
            trim();
        }
        return share.left() >= bytes;
    }

    /** Maps one more slab, if the share has it and more than that. */
    private boolean map(int bytes, long more) {
        int sizeClass = shift(bytes) - MIN_SHIFT;
        long slabBytes = Math.max(SLAB_BYTES, 1 << sizeClass + MIN_SHIFT);
        if (!leaves(slabBytes + more) || !share.take(slabBytes)) {
            return false;
        }
        try (CloseOnFailure taken = new CloseOnFailure(() -> share.give(slabBytes))) {
            available[sizeClass] =
                    new Slab(memory.allocate(slabBytes), sizeClass, (int) (slabBytes >> sizeClass + MIN_SHIFT));
            mapped += slabBytes;
            taken.keep();
        }
        return true;
    }

    /**
     * A slab with a free piece of at least so many bytes, at most 32 MiB; the caller takes it.
     *
     * @throws OutOfMemoryError when the system or the share refuses
     */
    Slab slab(int bytes) {
        int sizeClass = shift(bytes) - MIN_SHIFT;
        if (available[sizeClass] == null && !map(bytes, 0)) {
            throw new OutOfMemoryError("no buffer of " + bytes + " bytes is left for this export");
        }
        return available[sizeClass];
    }

    /** Frees slabs without used pieces. */
    void trim() {
        for (int i = 0; i < available.length; i++) {
            Slab kept = null;
            for (Slab slab = available[i]; slab != null; ) {
                Slab next = slab.next;
                if (slab.isUnused()) {
                    mapped -= slab.buffer.size();
                    share.give(slab.buffer.size());
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

    /** Frees the pool; every piece has been returned. */
    @Override
    public void close() {
        if (used != 0) {
            throw new IllegalStateException(used + " buffers are in use");
        }
        trim();
    }
}
