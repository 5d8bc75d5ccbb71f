package org.blktap.image;

import java.util.ArrayDeque;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * Cluster buffers for copying up. Their number is bounded: further requests wait. Allocated at first use. Loop only.
 */
final class BufferPool implements AutoCloseable {
    private static final long BYTES = 4 << 20;
    private static final int FEWEST = 4;
    private static final int MOST = 64;

    private final NativeMemory nativeMemory;
    private final int size;
    private final int count;
    private final long[] free;
    private int freeCount;
    private final ArrayDeque<Waiter> waiters = new ArrayDeque<>();
    private NativeBuffer memory;

    /** Waits for a buffer. */
    interface Waiter {
        /** @param address of a buffer, until it is returned */
        void bufferReady(long address);
    }

    BufferPool(NativeMemory nativeMemory, int size) {
        this.nativeMemory = nativeMemory;
        this.size = size;
        this.count = (int) Math.max(FEWEST, Math.min(MOST, BYTES / size));
        this.free = new long[count];
    }

    /** Gives the waiter a buffer, now or later. */
    void take(Waiter waiter) {
        if (memory == null) {
            memory = nativeMemory.allocate((long) count * size);
            for (int i = 0; i < count; i++) {
                free[freeCount++] = memory.address() + (long) i * size;
            }
        }
        if (freeCount == 0) {
            waiters.add(waiter);
        } else {
            waiter.bufferReady(free[--freeCount]);
        }
    }

    void give(long address) {
        Waiter waiter = waiters.poll();
        if (waiter == null) {
            free[freeCount++] = address;
        } else {
            waiter.bufferReady(address);
        }
    }

    @Override
    public void close() {
        if (memory != null) {
            memory.close();
            memory = null;
        }
    }
}
