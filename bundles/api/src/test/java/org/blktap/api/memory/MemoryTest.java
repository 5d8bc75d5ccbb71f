package org.blktap.api.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;

class MemoryTest {
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(4096).order(ByteOrder.nativeOrder());
    private final long address = addressOf(buffer);

    /** Tests have no JNA here, so they take the address from where Java 17 to 25 keep it. */
    private static long addressOf(ByteBuffer buffer) {
        try {
            Class<?> type = Class.forName("sun.misc.Unsafe");
            Field f = type.getDeclaredField("theUnsafe");
            f.setAccessible(true);
            Object unsafe = f.get(null);
            long at = (long) type.getMethod("objectFieldOffset", Field.class)
                    .invoke(unsafe, java.nio.Buffer.class.getDeclaredField("address"));
            return (long) type.getMethod("getLong", Object.class, long.class).invoke(unsafe, buffer, at);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void storesAreSeenByTheBuffer() {
        Memory.putByte(address, (byte) 0x7f);
        Memory.putShort(address + 3, (short) 0x1234);
        Memory.putInt(address + 9, 0x12345678);
        Memory.putLong(address + 17, 0x123456789abcdef0L);
        assertEquals(0x7f, buffer.get(0));
        assertEquals(0x1234, buffer.getShort(3));
        assertEquals(0x12345678, buffer.getInt(9));
        assertEquals(0x123456789abcdef0L, buffer.getLong(17));
    }

    @Test
    void loadsSeeTheBuffer() {
        buffer.putLong(1, 0x8877665544332211L);
        assertEquals(0x11, Memory.getByte(address + 1));
        assertEquals(0x2211, Memory.getShortAcquire(address + 1));
        assertEquals(0x44332211, Memory.getIntAcquire(address + 1));
        assertEquals(0x8877665544332211L, Memory.getLong(address + 1));
    }

    @Test
    void copiesAndFills() {
        for (int i = 0; i < 100; i++) {
            buffer.put(i, (byte) i);
        }
        Memory.copy(address + 10, address + 1000, 50);
        assertEquals(59, buffer.get(1049));
        assertEquals(0, buffer.get(1050));
        Memory.fill(address + 1000, 49, (byte) 0);
        assertEquals(0, buffer.get(1048));
        assertEquals(59, buffer.get(1049));
    }

    @Test
    void segmentsCopyAcrossPieces() {
        Segments list = new Segments(1);
        list.add(address + 100, 10);
        list.add(address + 200, 20);
        list.add(address + 220, 5);
        assertEquals(2, list.count(), "pieces that touch are joined");
        assertEquals(35, list.total());
        byte[] data = new byte[25];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) (i + 1);
        }
        list.copyFrom(ByteBuffer.wrap(data), 5);
        assertEquals(1, buffer.get(105));
        assertEquals(5, buffer.get(109));
        assertEquals(6, buffer.get(200));
        assertEquals(25, buffer.get(219));
        byte[] back = new byte[25];
        list.copyTo(ByteBuffer.wrap(back), 5);
        assertEquals(ByteBuffer.wrap(data), ByteBuffer.wrap(back));
        list.zero(8, 4);
        assertEquals(0, buffer.get(108));
        assertEquals(0, buffer.get(201));
        assertEquals(8, buffer.get(202));
    }

    @Test
    void slicesKeepTheirBounds() {
        Segments list = new Segments(4);
        list.add(1000, 10);
        list.add(2000, 10);
        Segments slice = new Segments(1);
        slice.sliceOf(list, 8, 5);
        assertEquals(2, slice.count());
        assertEquals(1008, slice.address(0));
        assertEquals(2, slice.length(0));
        assertEquals(2000, slice.address(1));
        assertEquals(3, slice.length(1));
        slice.sliceOf(list, 20, 0);
        assertEquals(0, slice.count());
        assertThrows(IndexOutOfBoundsException.class, () -> slice.sliceOf(list, 8, 13));
        assertThrows(IndexOutOfBoundsException.class, () -> list.zero(-1, 2));
        assertThrows(IndexOutOfBoundsException.class, () -> list.copyTo(address, Long.MAX_VALUE, 2));
    }
}
