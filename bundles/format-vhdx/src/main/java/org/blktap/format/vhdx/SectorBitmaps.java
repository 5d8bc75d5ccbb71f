package org.blktap.format.vhdx;

import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Table;
import org.blktap.image.TableCache;

/**
 * The sector bitmaps of a differencing image, a page at a time: a bit for each sector of a chunk, the lowest of a byte
 * first; set where the image has the sector, clear where the parent has it. They count only in blocks that are
 * partially present; the bits of others may have any value. [MS-VHDX] section 2.5.1.2. Loop only.
 */
final class SectorBitmaps implements AutoCloseable {
    /**
     * A page covers a block at least. The largest block has 512 Ki sectors: 64 KiB, which an entry of the log can hold.
     */
    private static final int LEAST_BYTES = 4096;

    private final BlockAllocationTable bat;
    private final int sectorBits;
    private final int pageBytes;
    private final TableCache pages;

    /** @param tables the file that pages are read from and written to */
    SectorBitmaps(BlockAllocationTable bat, int sectorBits, IoFile tables, NativeMemory memory, long cacheBytes) {
        this.bat = bat;
        this.sectorBits = sectorBits;
        pageBytes = Math.max(LEAST_BYTES, 1 << bat.blockBits() - sectorBits - 3);
        long chunks = bat.payloadBlocks() + bat.chunkBlocks() - 1 >>> bat.chunkBits();
        pages = new TableCache(
                memory, tables, pageBytes, cacheBytes, chunks * (BlockAllocationTable.SECTOR_BITMAP_BYTES / pageBytes));
    }

    /** The cache that loads pages. */
    TableCache cache() {
        return pages;
    }

    /** Number in its chunk of the sector at an offset of the disk. */
    private long sector(long offset) {
        return (offset & (1L << bat.blockBits() + bat.chunkBits()) - 1) >>> sectorBits;
    }

    /**
     * Offset in the file of the page that has the bit of a sector.
     *
     * @param bitmapEntry the BAT's entry of the chunk's bitmap
     * @param offset of the sector on the disk
     */
    long at(long bitmapEntry, long offset) {
        return BlockAllocationTable.fileOffset(bitmapEntry) + Alignment.down(sector(offset) >>> 3, pageBytes);
    }

    /** Number in its page of a sector's bit. */
    int bit(long offset) {
        return (int) sector(offset) & pageBytes * 8 - 1;
    }

    /** Bits of a block. */
    int blockBits() {
        return 1 << bat.blockBits() - sectorBits;
    }

    /** Number of the first bit of a block, of which {@code bit} is another. */
    int firstOfBlock(int bit) {
        return bit & -blockBits();
    }

    static boolean get(Table page, int bit) {
        return (page.getLongLittle(bit >>> 6 << 3) >>> (bit & 63) & 1) != 0;
    }

    /** The first bit from {@code from} on, or {@code to}, that is not {@code set}. */
    static int runEnd(Table page, int from, int to, boolean set) {
        int i = from;
        while (i < to) {
            long word = page.getLongLittle(i >>> 6 << 3) >>> (i & 63);
            int left = 64 - (i & 63);
            int same = Long.numberOfTrailingZeros(set ? ~word : word);
            if (same < left) {
                return Math.min(i + same, to);
            }
            i += left;
        }
        return to;
    }

    static void put(Table page, int from, int count, boolean set) {
        int to = from + count;
        for (int i = from; i < to; ) {
            int next = Math.min(to, (i | 63) + 1);
            long mask = -1L << (i & 63) & -1L >>> 63 - (next - 1 & 63);
            int at = i >>> 6 << 3;
            long word = page.getLongLittle(at);
            page.putLongBig(at, Long.reverseBytes(set ? word | mask : word & ~mask));
            i = next;
        }
    }

    @Override
    public void close() {
        pages.close();
    }
}
