package org.blktap.node.xen;

import java.util.Arrays;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.ring.Blkif;

/**
 * Memory of ours for the data of requests whose pages are not mapped. Sizes are powers of two pages; a budget bounds
 * all of it, and what does not fit waits until other requests of this device end: {@link GuestLimits#BUFFERS_ALWAYS}
 * are its own, whatever others have taken. Loop only.
 */
final class BounceBuffers implements AutoCloseable {
    /** Size classes, up to the largest request, {@link Blkif#INDIRECT_SEGMENTS_MAX} pages. */
    private static final int CLASSES = 9;
    /** A few of the largest requests, or a ring full of direct ones. */
    private static final long DEVICE_MOST = 16 << 20;

    private final NativeMemory memory;
    private final DomainBudget budget;
    private final int domain;
    /** Free buffers of each size, as many as {@code freeCount} says. */
    private final NativeBuffer[][] free = new NativeBuffer[CLASSES][16];

    private final int[] freeCount = new int[CLASSES];
    private long taken;
    /** What of it came from the budget. */
    private long budgeted;

    private boolean usedLately;

    BounceBuffers(NativeMemory memory, DomainBudget budget, int domain) {
        this.memory = memory;
        this.budget = budget;
        this.domain = domain;
    }

    private static int sizeClass(long bytes) {
        int pages = (int) Alignment.units(bytes, Blkif.PAGE);
        return Integer.SIZE - Integer.numberOfLeadingZeros(pages - 1);
    }

    /** A buffer of at least so many bytes, up to those of the largest request; null when there is none for now. */
    NativeBuffer take(long bytes) {
        usedLately = true;
        int size = sizeClass(bytes);
        if (freeCount[size] > 0) {
            return free[size][--freeCount[size]];
        }
        long needed = (long) Blkif.PAGE << size;
        if (!mayTake(needed)) {
            // what is kept for requests of other sizes
            trim();
            if (!mayTake(needed)) {
                return null;
            }
        }
        NativeBuffer buffer = memory.allocate(needed);
        taken += needed;
        return buffer;
    }

    private boolean mayTake(long more) {
        long beyond = taken + more - GuestLimits.BUFFERS_ALWAYS - budgeted;
        if (taken + more > DEVICE_MOST || beyond > 0 && !budget.take(domain, beyond, false)) {
            return false;
        }
        budgeted += Math.max(0, beyond);
        return true;
    }

    void giveBack(NativeBuffer buffer) {
        int size = sizeClass(buffer.size());
        if (freeCount[size] == free[size].length) {
            free[size] = Arrays.copyOf(free[size], 2 * freeCount[size]);
        }
        free[size][freeCount[size]++] = buffer;
    }

    /** Whether more is kept than a device always has. */
    boolean isLarge() {
        return taken > GuestLimits.BUFFERS_ALWAYS;
    }

    /** Whether any was taken since this was last asked. */
    boolean usedLately() {
        boolean used = usedLately;
        usedLately = false;
        return used;
    }

    /** Frees all that no request has. */
    void trim() {
        for (int size = 0; size < CLASSES; size++) {
            while (freeCount[size] > 0) {
                NativeBuffer buffer = free[size][--freeCount[size]];
                free[size][freeCount[size]] = null;
                taken -= buffer.size();
                buffer.close();
            }
        }
        long back = budgeted - Math.max(0, taken - GuestLimits.BUFFERS_ALWAYS);
        if (back > 0) {
            budgeted -= back;
            budget.giveBack(domain, back);
        }
    }

    /** Nothing is in use. */
    @Override
    public void close() {
        trim();
        budget.giveBack(domain, budgeted);
        budgeted = 0;
    }
}
