package org.blktap.format.qcow2;

import java.nio.ByteBuffer;

/**
 * How counts lie in a refcount block (qcow2.txt, "Host cluster management").
 *
 * @param order a count has {@code 1 << order} bits
 */
record RefcountBlock(int order) {
    /** The largest count that the width of the image's counts allows. */
    long largest() {
        return order >= 6 ? Long.MAX_VALUE : (1L << (1 << order)) - 1;
    }

    /** Count {@code i} of a block; narrow ones are stored from the low bits of a byte up. */
    long get(ByteBuffer block, int i) {
        return switch (order) {
            case 0, 1, 2 -> block.get(i << order >> 3) >> (i << order & 7) & largest();
            case 3 -> Byte.toUnsignedLong(block.get(i));
            case 4 -> Short.toUnsignedLong(block.getShort(i * Short.BYTES));
            case 5 -> Integer.toUnsignedLong(block.getInt(i * Integer.BYTES));
            default -> block.getLong(i * Long.BYTES);
        };
    }

    void put(ByteBuffer block, int i, long count) {
        switch (order) {
            case 0, 1, 2 -> {
                int at = i << order >> 3;
                int shift = i << order & 7;
                block.put(at, (byte) (block.get(at) & ~(largest() << shift) | count << shift));
            }
            case 3 -> block.put(i, (byte) count);
            case 4 -> block.putShort(i * Short.BYTES, (short) count);
            case 5 -> block.putInt(i * Integer.BYTES, (int) count);
            default -> block.putLong(i * Long.BYTES, count);
        }
    }
}
