package org.blktap.api.memory;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * A scatter list: pieces of native memory that are one run of bytes. It is mutable and reused, so that a request costs
 * no allocation once the list has grown to what its owner needs. One thread at a time.
 *
 * <p>The caller validates each piece before adding it; the copying methods check only that they stay inside the list.
 * Memory that its owner takes away meanwhile (a VM may truncate the file behind its RAM) is noted, not thrown, if the
 * list is declared {@link #foreign}: {@link #faulted}.
 */
public final class Segments {
    private long[] address;
    private int[] length;
    private int count;
    private long total;
    private boolean faulted;
    /** The list that this is a slice of. */
    private Segments whole;
    /** Non-null for memory that its owner can take away. */
    private Runnable settle;

    /** An empty list with room for {@code pieces} pieces; it grows when that is not enough. */
    public Segments(int pieces) {
        address = new long[pieces];
        length = new int[pieces];
    }

    public void clear() {
        count = 0;
        total = 0;
        faulted = false;
        whole = null;
    }

    /**
     * Declares, permanently, that pieces of this list are memory that its owner can truncate at any time.
     *
     * @param settle makes the JVM throw the {@link InternalError} of a failed access if it has not yet: any call of a
     *     native method that reaches the JVM again, such as one by JNA. It is run after each copy, by the thread that
     *     copied
     */
    public void foreign(Runnable settle) {
        this.settle = settle;
    }

    /**
     * Whether pieces of this list, or of the one that it is a slice of, are memory that its owner can take away:
     * {@link #foreign}. Native code that meets such memory when it is gone ends the process, unless it is the kernel's.
     */
    public boolean isForeign() {
        return settle != null || whole != null && whole.isForeign();
    }

    /** Whether memory of this list, or of a slice of it, was gone when it had to be copied. Until {@link #clear}. */
    public boolean faulted() {
        return faulted;
    }

    private void fault() {
        for (Segments list = this; list != null; list = list.whole) {
            list.faulted = true;
        }
    }

    /** Has the JVM throw the error of a failed access here and not somewhere later. */
    private void settle() {
        Segments root = this;
        while (root.whole != null) {
            root = root.whole;
        }
        if (root.settle != null) {
            root.settle.run();
        }
    }

    /** Notes a failed access once no more faults of it can follow. */
    private void faultAndSettle() {
        while (true) {
            try {
                fault();
                settle();
                return;
            } catch (InternalError e) {
                // once more: the error of the same access, late
            }
        }
    }

    /** Appends a piece; one that continues the last piece is joined to it, an empty one is dropped. */
    public void add(long pieceAddress, int pieceLength) {
        if (pieceLength == 0) {
            return;
        }
        if (pieceLength < 0) {
            throw new IllegalArgumentException("negative length " + pieceLength);
        }
        if (count > 0
                && address[count - 1] + length[count - 1] == pieceAddress
                && length[count - 1] <= Integer.MAX_VALUE - pieceLength) {
            length[count - 1] += pieceLength;
        } else {
            if (count == address.length) {
                address = Arrays.copyOf(address, Math.max(8, count * 2));
                length = Arrays.copyOf(length, Math.max(8, count * 2));
            }
            address[count] = pieceAddress;
            length[count] = pieceLength;
            count++;
        }
        total += pieceLength;
    }

    /** Makes this list name the bytes {@code [skip, skip + bytes)} of another. */
    public void sliceOf(Segments other, long skip, long bytes) {
        clear();
        addSlice(other, skip, bytes);
    }

    /**
     * Appends the bytes {@code [skip, skip + bytes)} of another list, which records faults of this one too; one at most
     * until {@link #clear}.
     */
    public void addSlice(Segments other, long skip, long bytes) {
        other.check(skip, bytes);
        whole = other;
        int i = 0;
        while (bytes > 0 && skip >= other.length(i)) {
            skip -= other.length(i++);
        }
        while (bytes > 0) {
            int part = (int) Math.min(other.length(i) - skip, bytes);
            add(other.address(i) + skip, part);
            bytes -= part;
            skip = 0;
            i++;
        }
    }

    /** The number of pieces. */
    public int count() {
        return count;
    }

    /** All bytes of the list. */
    public long total() {
        return total;
    }

    /** The address of piece {@code i}. */
    public long address(int i) {
        return address[i];
    }

    /** The length in bytes of piece {@code i}, never 0. */
    public int length(int i) {
        return length[i];
    }

    /** Copies from native memory into the list, beginning at byte {@code at} of it. */
    public void copyFrom(long source, long at, long bytes) {
        check(at, bytes);
        try {
            copy(source, at, bytes, true);
            settle();
        } catch (InternalError e) {
            faultAndSettle();
        }
    }

    /** Copies from the list, beginning at byte {@code at} of it, to native memory. */
    public void copyTo(long target, long at, long bytes) {
        check(at, bytes);
        try {
            copy(target, at, bytes, false);
            settle();
        } catch (InternalError e) {
            faultAndSettle();
        }
    }

    private void copy(long other, long at, long bytes, boolean into) {
        for (int i = 0; bytes > 0; i++) {
            if (at >= length[i]) {
                at -= length[i];
                continue;
            }
            long part = Math.min(length[i] - at, bytes);
            if (into) {
                Memory.copy(other, address[i] + at, part);
            } else {
                Memory.copy(address[i] + at, other, part);
            }
            other += part;
            bytes -= part;
            at = 0;
        }
    }

    /**
     * Copies what remains in a heap or direct buffer into the list, beginning at byte {@code at}. For set-up and slow
     * paths.
     */
    public void copyFrom(ByteBuffer source, long at) {
        check(at, source.remaining());
        try {
            copy(source, at, true);
            settle();
        } catch (InternalError e) {
            faultAndSettle();
        }
    }

    /** Fills a heap or direct buffer from the list, beginning at byte {@code at}. For set-up and slow paths. */
    public void copyTo(ByteBuffer target, long at) {
        check(at, target.remaining());
        try {
            copy(target, at, false);
            settle();
        } catch (InternalError e) {
            faultAndSettle();
        }
    }

    private void copy(ByteBuffer other, long at, boolean into) {
        for (int i = 0; other.hasRemaining(); i++) {
            if (at >= length[i]) {
                at -= length[i];
                continue;
            }
            for (long p = address[i] + at, end = address[i] + length[i]; p < end && other.hasRemaining(); p++) {
                if (into) {
                    Memory.putByte(p, other.get());
                } else {
                    other.put(Memory.getByte(p));
                }
            }
            at = 0;
        }
    }

    /** Sets bytes {@code [at, at + bytes)} of the list to zero. */
    public void zero(long at, long bytes) {
        check(at, bytes);
        try {
            store(at, bytes);
            settle();
        } catch (InternalError e) {
            faultAndSettle();
        }
    }

    private void store(long at, long bytes) {
        for (int i = 0; bytes > 0; i++) {
            if (at >= length[i]) {
                at -= length[i];
                continue;
            }
            long part = Math.min(length[i] - at, bytes);
            Memory.zero(address[i] + at, part);
            bytes -= part;
            at = 0;
        }
    }

    private void check(long at, long bytes) {
        if (at < 0 || bytes < 0 || at > total - bytes) {
            throw new IndexOutOfBoundsException("bytes " + at + " to " + (at + bytes) + " of a list of " + total);
        }
    }

    @Override
    public String toString() {
        return count + " pieces, " + total + " bytes";
    }
}
