package org.blktap.node.ublk;

import static org.blktap.api.memory.Alignment.SECTOR;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.memory.Memory;

/** {@code struct ublk_params} of ublk_cmd.h: what the host sees of a disk. */
final class Parameters {
    /** Size of the structure as of Linux 6.12; a newer driver fills in the rest. */
    static final int BYTES = 112;

    private static final int TYPE_BASIC = 1;
    private static final int TYPE_DISCARD = 1 << 1;
    private static final int LEN = 0;
    private static final int TYPES = 4;
    // struct ublk_param_basic
    static final int BASIC_ATTRS = 8;
    static final int LOGICAL_SHIFT = 12;
    static final int PHYSICAL_SHIFT = 13;
    private static final int IO_OPT_SHIFT = 14;
    private static final int IO_MIN_SHIFT = 15;
    static final int MAX_SECTORS = 16;
    static final int DEV_SECTORS = 24;
    // struct ublk_param_discard
    private static final int DISCARD_GRANULARITY = 44;
    static final int MAX_DISCARD_SECTORS = 48;
    static final int MAX_WRITE_ZEROES_SECTORS = 52;
    private static final int MAX_DISCARD_SEGMENTS = 56;

    static final int ATTR_READ_ONLY = 1;
    private static final int ATTR_VOLATILE_CACHE = 1 << 2;
    private static final int ATTR_FUA = 1 << 3;

    /** The largest logical block that the driver accepts: a page of the smallest size. */
    private static final int LOGICAL_MAX = 4096;

    /** 2 GiB. The kernel splits a longer discard, so that a request ends in reasonable time. */
    static final int DISCARD_SECTORS_MAX = (int) ((2L << 30) / SECTOR);
    /** 16 MiB, for the same reason: zeros may have to be written. */
    static final int ZEROES_SECTORS_MAX = (16 << 20) / SECTOR;

    private Parameters() {}

    /** @param bufferBytes the most bytes of a read or write */
    static void write(long at, DiskInfo disk, int bufferBytes) {
        Memory.zero(at, BYTES);
        Memory.putInt(at + LEN, BYTES);
        int logical = Math.min(LOGICAL_MAX, Math.max(SECTOR, Integer.highestOneBit(disk.blockSize())));
        int physical = Math.max(logical, Integer.highestOneBit(Math.max(1, disk.physicalBlockSize())));
        int optimal = Math.max(physical, Integer.highestOneBit(Math.max(1, disk.optimalIoSize())));
        Memory.putInt(at + BASIC_ATTRS, ATTR_VOLATILE_CACHE | ATTR_FUA | (disk.readOnly() ? ATTR_READ_ONLY : 0));
        Memory.putByte(at + LOGICAL_SHIFT, shift(logical));
        Memory.putByte(at + PHYSICAL_SHIFT, shift(physical));
        Memory.putByte(at + IO_OPT_SHIFT, shift(optimal));
        Memory.putByte(at + IO_MIN_SHIFT, shift(physical));
        Memory.putInt(at + MAX_SECTORS, bufferBytes / SECTOR);
        Memory.putLong(at + DEV_SECTORS, disk.sizeBytes() / logical * (logical / SECTOR));
        boolean discards = disk.supports(Operation.DISCARD);
        boolean zeroes = disk.supports(Operation.WRITE_ZEROES);
        Memory.putInt(at + TYPES, TYPE_BASIC | (discards || zeroes ? TYPE_DISCARD : 0));
        Memory.putInt(at + DISCARD_GRANULARITY, physical);
        Memory.putInt(at + MAX_DISCARD_SECTORS, discards ? DISCARD_SECTORS_MAX : 0);
        Memory.putInt(at + MAX_WRITE_ZEROES_SECTORS, zeroes ? ZEROES_SECTORS_MAX : 0);
        Memory.putShort(at + MAX_DISCARD_SEGMENTS, (short) (discards ? 1 : 0));
    }

    private static byte shift(int powerOfTwo) {
        return (byte) Integer.numberOfTrailingZeros(powerOfTwo);
    }
}
