package org.blktap.format.qcow2;

import java.nio.ByteBuffer;
import org.blktap.api.disk.FileNames;
import org.blktap.api.memory.Alignment;

/**
 * An entry of the bitmap directory: qcow2.txt, "Bitmap directory".
 *
 * @param at its offset in the file
 * @param tableEntries of the bitmap table at {@code tableOffset}
 * @param extra data that is not known here, and is kept
 */
record BitmapEntry(
        long at,
        long tableOffset,
        int tableEntries,
        int flags,
        int type,
        int granularityBits,
        byte[] extra,
        String name) {
    static final int AT_TABLE = 0;
    static final int AT_TABLE_ENTRIES = 8;
    static final int AT_FLAGS = 12;
    static final int AT_TYPE = 16;
    static final int AT_GRANULARITY = 17;
    static final int AT_NAME_BYTES = 18;
    static final int AT_EXTRA_BYTES = 20;
    /** Bytes before the extra data, which the name follows. */
    static final int FIXED = 24;

    static final int IN_USE = 1;
    static final int AUTO = 1 << 1;
    static final int EXTRA_COMPATIBLE = 1 << 2;
    static final int KNOWN_FLAGS = IN_USE | AUTO | EXTRA_COMPATIBLE;
    static final int DIRTY_TRACKING = 1;

    // an entry of a bitmap table
    static final int TABLE_ENTRY_BYTES = 8;
    static final long ALL_ONES = 1;
    static final long OFFSET = 0x00ff_ffff_ffff_fe00L;

    /** QEMU's limits. */
    static final int MIN_GRANULARITY_BITS = 9;

    static final int MAX_GRANULARITY_BITS = 31;
    static final int MAX_NAME = 1023;
    static final long MAX_BITMAP_BYTES = 512 << 20;

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    boolean isRecording() {
        return type == DIRTY_TRACKING && has(AUTO);
    }

    BitmapEntry withFlags(int other) {
        return new BitmapEntry(at, tableOffset, tableEntries, other, type, granularityBits, extra, name);
    }

    /** Bytes in the directory. */
    int bytes() {
        return bytes(extra.length, FileNames.bytes(name).length);
    }

    static int bytes(int extra, int name) {
        return Alignment.up(FIXED + extra + name, Long.BYTES);
    }

    /** Appends it to a directory. */
    void put(ByteBuffer into) {
        int start = into.position();
        byte[] nameBytes = FileNames.bytes(name);
        into.putLong(start + AT_TABLE, tableOffset)
                .putInt(start + AT_TABLE_ENTRIES, tableEntries)
                .putInt(start + AT_FLAGS, flags)
                .put(start + AT_TYPE, (byte) type)
                .put(start + AT_GRANULARITY, (byte) granularityBits)
                .putShort(start + AT_NAME_BYTES, (short) nameBytes.length)
                .putInt(start + AT_EXTRA_BYTES, extra.length);
        into.put(start + FIXED, extra).put(start + FIXED + extra.length, nameBytes);
        into.position(start + bytes());
    }

    /** How many clusters hold the bits for a disk; -1 if they are more than a bitmap may have. */
    static int clusters(long diskBytes, int granularityBits, int clusterSize) {
        long bits = (diskBytes >>> granularityBits) + ((diskBytes & (1L << granularityBits) - 1) == 0 ? 0 : 1);
        long bytes = Alignment.units(bits, Byte.SIZE);
        return bytes > MAX_BITMAP_BYTES ? -1 : (int) Alignment.units(bytes, clusterSize);
    }
}
