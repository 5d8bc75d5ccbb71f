package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.function.Consumer;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A VM may truncate the file behind its memory at any time: no access in {@code api.memory} may end the process,
 * however it was compiled.
 */
@Timeout(300)
class TruncatedMemoryTest {
    private static final int BYTES = 1 << 18;
    /** Enough for the second compiler. */
    private static final int WARM = 300;

    private int fd;
    private Mapping shared;
    private final Mapping own = Mapping.anonymous(BYTES);

    @BeforeEach
    void map() {
        fd = Libc.memfd_create("truncated", Libc.MFD_CLOEXEC);
        assertEquals(0, Libc.ftruncate(fd, BYTES));
        shared = Mapping.ofFile(fd, 0, BYTES);
    }

    @AfterEach
    void unmap() {
        shared.close();
        own.close();
        Libc.close(fd);
    }

    /**
     * Runs an operation until it is compiled, then on memory that is gone; the error may come with the next native
     * call.
     */
    private void survives(String what, Consumer<Long> operation) {
        for (int i = 0; i < WARM; i++) {
            operation.accept(shared.address());
        }
        for (int round = 0; round < 3; round++) {
            Libc.ftruncate(fd, round * 4096L);
            boolean reported = false;
            try {
                operation.accept(shared.address());
                Libc.getpagesize();
            } catch (InternalError e) {
                reported = true;
            }
            assertTrue(reported, what);
            Libc.ftruncate(fd, BYTES);
            operation.accept(shared.address());
            Libc.getpagesize();
        }
    }

    @Test
    void memory() {
        survives("zero", at -> Memory.zero(at, BYTES));
        survives("zero of odd bounds", at -> Memory.zero(at + 3, BYTES - 5));
        survives("fill", at -> Memory.fill(at, BYTES, (byte) 7));
        survives("copy to", at -> Memory.copy(own.address(), at, BYTES));
        survives("copy from", at -> Memory.copy(at, own.address(), BYTES));
        survives("loads", at -> {
            long sum = 0;
            for (int i = 0; i < BYTES; i += 512) {
                sum += Memory.getLong(at + i)
                        + Memory.getInt(at + i + 8)
                        + Memory.getShort(at + i + 12)
                        + Memory.getByte(at + i + 14);
            }
            Memory.putLong(own.address(), sum);
        });
        survives("stores", at -> {
            for (int i = 0; i < BYTES; i += 8) {
                Memory.putLong(at + i, 0);
            }
        });
        survives("small stores", at -> {
            for (int i = 0; i < BYTES; i++) {
                Memory.putByte(at + i, (byte) 0);
            }
        });
        assertEquals(0, shared.bytes().get(BYTES - 1));
    }

    private interface ListOperation {
        void run(Segments list, Segments slice);
    }

    private void faults(String what, ListOperation operation) {
        Segments list = new Segments(2);
        list.foreign(Libc::getpagesize);
        Segments slice = new Segments(2);
        for (int i = 0; i < WARM + 3; i++) {
            boolean gone = i >= WARM;
            list.clear();
            list.add(own.address(), 4096);
            list.add(shared.address() + 8192, BYTES - 8192);
            slice.sliceOf(list, 100, BYTES - 8192);
            if (gone) {
                Libc.ftruncate(fd, 0);
            }
            operation.run(list, slice);
            assertEquals(gone, list.faulted(), what);
            Libc.ftruncate(fd, BYTES);
            // nothing comes late
            Libc.getpagesize();
        }
    }

    @Test
    void lists() {
        ByteBuffer heap = ByteBuffer.allocate(BYTES - 8192);
        Mapping other = Mapping.anonymous(BYTES);
        faults("zero", (list, slice) -> list.zero(0, list.total()));
        faults("zero of a slice", (list, slice) -> slice.zero(1, slice.total() - 1));
        faults("copyFrom", (list, slice) -> list.copyFrom(other.address(), 0, list.total()));
        faults("copyFrom into a slice", (list, slice) -> slice.copyFrom(other.address(), 0, slice.total()));
        faults("copyTo", (list, slice) -> list.copyTo(other.address(), 0, list.total()));
        faults("copyFrom a buffer", (list, slice) -> slice.copyFrom(heap.clear(), 0));
        faults("copyTo a buffer", (list, slice) -> slice.copyTo(heap.clear(), 0));
        other.close();
    }

    @Test
    void zerosAreZeros() {
        for (int length : new int[] {0, 1, 7, 16383, 16384, 16385, 100_001}) {
            Memory.fill(own.address(), BYTES, (byte) 0x55);
            Memory.zero(own.address() + 5, length);
            ByteBuffer bytes = own.bytes();
            assertEquals(0x55, bytes.get(4));
            for (int i = 0; i < length; i++) {
                assertFalse(bytes.get(5 + i) != 0, "byte " + i + " of " + length);
            }
            assertEquals(0x55, bytes.get(5 + length));
        }
    }
}
