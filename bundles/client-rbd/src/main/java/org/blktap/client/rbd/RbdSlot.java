package org.blktap.client.rbd;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.Segments;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** One request in an {@link RbdQueue}, with the iovecs that librbd reads until its end. Reused. Loop only. */
final class RbdSlot {
    /**
     * Number of pieces that fit into the queue's memory; a longer vector gets memory of its own, which the slot keeps.
     */
    static final int INLINE_PIECES = 32;

    static final int BYTES = INLINE_PIECES * Libc.IOVEC_BYTES;

    /** The slot's number, which its completions carry. */
    final int number;

    private final long inlineVector;
    private NativeBuffer longVector;
    RbdSlot next;
    Request request;
    /** Memory that stands in for the VM's; null if librbd uses the VM's. */
    NativeBuffer bounce;
    /** The end of the part of the request that is in flight, in bytes from its beginning. */
    long until;

    long vector;
    int pieces;

    RbdSlot(int number, long inlineVector) {
        this.number = number;
        this.inlineVector = inlineVector;
    }

    /** Points the iovecs at the request's own memory. */
    void pointAt(Segments data) {
        int count = data.count();
        vector = vector(count);
        pieces = count;
        for (int i = 0; i < count; i++) {
            put(i, data.address(i), data.length(i));
        }
    }

    /** Points the only iovec at other memory, which has the data of a write. */
    void pointAt(NativeBuffer memory) {
        bounce = memory;
        vector = inlineVector;
        pieces = 1;
        put(0, memory.address(), request.length());
        if (request.operation() == Operation.WRITE) {
            request.data().copyTo(memory.address(), 0, request.length());
        }
    }

    private long vector(int count) {
        if (count <= INLINE_PIECES) {
            return inlineVector;
        }
        long bytes = (long) count * Libc.IOVEC_BYTES;
        if (longVector == null || longVector.size() < bytes) {
            close();
            longVector = Mapping.anonymous(bytes);
        }
        return longVector.address();
    }

    private void put(int i, long address, long length) {
        long at = vector + (long) i * Libc.IOVEC_BYTES;
        Memory.putLong(at, address);
        Memory.putLong(at + Libc.IOVEC_LEN, length);
    }

    /** Frees the slot's own memory. */
    void close() {
        if (longVector != null) {
            longVector.close();
            longVector = null;
        }
    }
}
