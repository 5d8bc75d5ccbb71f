package org.blktap.node.nbd;

import java.nio.ByteOrder;
import org.blktap.api.memory.Memory;

/** Big-endian values in native memory. */
final class Wire {
    private static final boolean SWAP = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;

    private Wire() {}

    static long getLong(long address) {
        long value = Memory.getLong(address);
        return SWAP ? Long.reverseBytes(value) : value;
    }

    static int getInt(long address) {
        int value = Memory.getInt(address);
        return SWAP ? Integer.reverseBytes(value) : value;
    }

    static int getUnsignedShort(long address) {
        short value = Memory.getShort(address);
        return Short.toUnsignedInt(SWAP ? Short.reverseBytes(value) : value);
    }

    static void putLong(long address, long value) {
        Memory.putLong(address, SWAP ? Long.reverseBytes(value) : value);
    }

    static void putInt(long address, int value) {
        Memory.putInt(address, SWAP ? Integer.reverseBytes(value) : value);
    }

    static void putShort(long address, int value) {
        Memory.putShort(address, SWAP ? Short.reverseBytes((short) value) : (short) value);
    }
}
