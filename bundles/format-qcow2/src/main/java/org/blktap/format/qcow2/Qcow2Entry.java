package org.blktap.format.qcow2;

import static org.blktap.api.memory.Alignment.SECTOR;

import org.blktap.api.memory.Alignment;

/** The bits of L1 and L2 entries: qcow2.txt, "Cluster mapping" and "Extended L2 Entries". */
final class Qcow2Entry {
    /** Bytes of an L1 entry. */
    static final int L1_BYTES = 8;

    private static final int L2_BYTES = 8;
    /** Bytes of an extended L2 entry: the entry and the bits of its subclusters. */
    private static final int EXTENDED_L2_BYTES = 16;
    /** Offset of the subclusters' bits in an extended L2 entry. */
    static final int AT_BITS = 8;
    /** The count of what the entry points at is exactly one: it may be changed in place. */
    static final long COPIED = 1L << 63;

    static final long COMPRESSED = 1L << 62;
    /** Flag of a standard L2 entry of version 3: reads as zeros, whether or not there is a cluster. */
    static final long ZERO = 1;

    static final long OFFSET_MASK = 0x00ff_ffff_ffff_fe00L;
    /** Subclusters of a cluster with extended entries. */
    static final int SUBCLUSTERS = 32;

    private Qcow2Entry() {}

    /** Bytes of an L2 entry. */
    static int l2Bytes(boolean extended) {
        return extended ? EXTENDED_L2_BYTES : L2_BYTES;
    }

    static long offset(long entry) {
        return entry & OFFSET_MASK;
    }

    static boolean copied(long entry) {
        return entry < 0;
    }

    static boolean compressed(long entry) {
        return (entry & COMPRESSED) != 0;
    }

    /** Bits of the offset of a compressed cluster. */
    private static int offsetBits(int clusterBits) {
        return 62 - (clusterBits - 8);
    }

    /** Bytes from the beginning of the file to a compressed cluster. */
    static long compressedOffset(long entry, int clusterBits) {
        return entry & (1L << offsetBits(clusterBits)) - 1;
    }

    /** Bytes to the end of the last 512-byte sector that a compressed cluster touches. */
    static int compressedLength(long entry, int clusterBits) {
        int bits = offsetBits(clusterBits);
        long sectors = (entry >>> bits & (1L << 62 - bits) - 1) + 1;
        return (int) (sectors * SECTOR - (compressedOffset(entry, clusterBits) & SECTOR - 1));
    }

    /** The entry of a stream of so many bytes. */
    static long compressed(long offset, int length, int clusterBits) {
        long sectors = Alignment.units((offset & SECTOR - 1) + length, SECTOR);
        return COMPRESSED | sectors - 1 << offsetBits(clusterBits) | offset;
    }

    /** The bits of subclusters {@code [first, last)}, in the low half. */
    static long subclusters(int first, int last) {
        return (1L << last) - (1L << first);
    }
}
