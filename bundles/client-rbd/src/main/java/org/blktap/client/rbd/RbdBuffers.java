package org.blktap.client.rbd;

import java.util.ArrayDeque;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.Mapping;

/**
 * Memory that stands in for a VM's memory, which the VM can truncate: a library that accesses it then ends the process.
 * Kept for reuse up to a limit. Loop only.
 */
final class RbdBuffers implements AutoCloseable {
    private static final int SMALLEST_SHIFT = 12;
    private static final int LARGEST_SHIFT = 22;
    /** The most bytes that are kept while no request uses them. */
    private static final long MOST_KEPT = 16 << 20;

    @SuppressWarnings({"unchecked", "rawtypes"})
    private final ArrayDeque<NativeBuffer>[] free = new ArrayDeque[LARGEST_SHIFT - SMALLEST_SHIFT + 1];

    private long kept;

    RbdBuffers() {
        for (int i = 0; i < free.length; i++) {
            free[i] = new ArrayDeque<>();
        }
    }

    /** Returns the index of the smallest size that holds a number of bytes; past the end if none does. */
    private static int place(long bytes) {
        return Math.max(0, Long.SIZE - Long.numberOfLeadingZeros(bytes - 1) - SMALLEST_SHIFT);
    }

    NativeBuffer take(long bytes) {
        int place = place(bytes);
        if (place >= free.length) {
            return Mapping.anonymous(bytes);
        }
        NativeBuffer found = free[place].poll();
        if (found == null) {
            return Mapping.anonymous(1L << place + SMALLEST_SHIFT);
        }
        kept -= found.size();
        return found;
    }

    void giveBack(NativeBuffer buffer) {
        int place = place(buffer.size());
        if (place >= free.length || kept + buffer.size() > MOST_KEPT) {
            buffer.close();
            return;
        }
        kept += buffer.size();
        free[place].push(buffer);
    }

    @Override
    public void close() {
        for (ArrayDeque<NativeBuffer> each : free) {
            each.forEach(NativeBuffer::close);
            each.clear();
        }
        kept = 0;
    }
}
