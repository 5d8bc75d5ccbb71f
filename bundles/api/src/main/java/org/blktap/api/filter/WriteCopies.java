package org.blktap.api.filter;

import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.memory.Segments;

/**
 * Memory for copies of what a VM writes. A VM can change the memory of a request in flight. A filter that submits the
 * data of one request more than once submits a copy instead, so that all disks get the same bytes.
 *
 * <p>The memory is bounded, reused, and takes pages of the host only as far as it has been used. Loop only.
 */
public final class WriteCopies implements AutoCloseable {
    /** Bytes of the pieces that copies consist of; a multiple of every sector. */
    public static final int PIECE = 64 << 10;

    private final NativeBuffer memory;
    /** The pieces that are free; the one that was used last is taken next. */
    private final int[] free;

    private int count;

    /** @param bytes of all copies at a time, a multiple of {@link #PIECE} */
    public WriteCopies(NativeMemory memory, int bytes) {
        this.memory = memory.allocate(bytes);
        free = new int[bytes / PIECE];
        while (count < free.length) {
            free[count] = free.length - 1 - count++;
        }
    }

    /** Bytes of the largest copy that can be made now. */
    public long room() {
        return (long) count * PIECE;
    }

    /**
     * Copies bytes {@code [at, at + length)} of a list.
     *
     * @param length at most {@link #room}
     * @param into names the copy afterwards, and nothing else, until {@link #give}
     * @return false if the VM has taken its memory away ({@link Segments#faulted}); then there is no copy
     */
    public boolean take(Segments from, long at, long length, Segments into) {
        if (length > room()) {
            throw new IllegalArgumentException(length + " bytes; there is room for " + room());
        }
        into.clear();
        for (long done = 0; done < length; done += PIECE) {
            long address = memory.address() + (long) free[--count] * PIECE;
            int bytes = (int) Math.min(PIECE, length - done);
            from.copyTo(address, at + done, bytes);
            into.add(address, bytes);
        }
        if (from.faulted()) {
            give(into);
            return false;
        }
        return true;
    }

    /** Takes the memory of a copy back, and empties the list. */
    public void give(Segments copy) {
        for (int i = 0; i < copy.count(); i++) {
            // pieces that follow one another are one in the list; only the last is not full
            for (long at = 0; at < copy.length(i); at += PIECE) {
                free[count++] = (int) ((copy.address(i) - memory.address() + at) / PIECE);
            }
        }
        copy.clear();
    }

    /** Frees the memory. No copy is in use. */
    @Override
    public void close() {
        memory.close();
    }
}
