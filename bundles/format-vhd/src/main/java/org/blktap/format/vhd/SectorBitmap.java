package org.blktap.format.vhd;

import org.blktap.image.Table;

/**
 * The bits of a block's sector bitmap: one for each sector, the highest of a byte first; set where the block has the
 * sector.
 */
final class SectorBitmap {
    private SectorBitmap() {}

    static boolean get(Table bitmap, int sector) {
        return bitmap.getLongBig(sector >>> 6 << 3) << (sector & 63) < 0;
    }

    /** The first sector from {@code from} on, or {@code to}, whose bit is not {@code set}. */
    static int runEnd(Table bitmap, int from, int to, boolean set) {
        int i = from;
        while (i < to) {
            long word = bitmap.getLongBig(i >>> 6 << 3) << (i & 63);
            int left = 64 - (i & 63);
            int same = Long.numberOfLeadingZeros(set ? ~word : word);
            if (same < left) {
                return Math.min(i + same, to);
            }
            i += left;
        }
        return to;
    }

    static void put(Table bitmap, int from, int count, boolean set) {
        int to = from + count;
        for (int i = from; i < to; ) {
            int next = Math.min(to, (i | 63) + 1);
            long mask = -1L >>> (i & 63) & -1L << 63 - (next - 1 & 63);
            int at = i >>> 6 << 3;
            long word = bitmap.getLongBig(at);
            bitmap.putLongBig(at, set ? word | mask : word & ~mask);
            i = next;
        }
    }
}
