package org.blktap.format.vhdx;

import org.blktap.api.memory.Alignment;

/**
 * The BAT's shape and its entries: one for each payload block and, after those of each chunk, one for the chunk's
 * sector bitmap, which only differencing images use. An entry is 8 bytes: its state in the lowest three bits, the
 * offset in the file, a multiple of 1 MiB, from bit 20 on. [MS-VHDX] section 2.5.
 *
 * @param offset bytes from the beginning of the file to the BAT
 * @param blockBits log2 of a payload block's bytes
 * @param chunkBits log2 of the payload blocks of a chunk, whose sectors one bitmap of 1 MiB describes
 * @param size bytes of the disk
 * @param hasParent whether the image has a parent, and so uses the bitmaps
 */
record BlockAllocationTable(long offset, int blockBits, int chunkBits, long size, boolean hasParent) {
    static final int PAYLOAD_BLOCK_NOT_PRESENT = 0;
    static final int PAYLOAD_BLOCK_UNDEFINED = 1;
    static final int PAYLOAD_BLOCK_ZERO = 2;
    static final int PAYLOAD_BLOCK_UNMAPPED = 3;
    static final int PAYLOAD_BLOCK_FULLY_PRESENT = 6;
    static final int PAYLOAD_BLOCK_PARTIALLY_PRESENT = 7;
    static final int SB_BLOCK_PRESENT = 6;
    static final int ENTRY_BYTES = 8;
    static final int SECTOR_BITMAP_BYTES = 1 << 20;
    /** Sectors of a chunk, as bits of its bitmap. */
    private static final int CHUNK_SECTOR_BITS = 23;

    static BlockAllocationTable of(long offset, VhdxMetadata metadata) {
        return of(offset, metadata.blockSize(), metadata.logicalSectorSize(), metadata.size(), metadata.hasParent());
    }

    static BlockAllocationTable of(long offset, long blockSize, int logicalSectorSize, long size, boolean hasParent) {
        int blockBits = Long.numberOfTrailingZeros(blockSize);
        int chunkBits = CHUNK_SECTOR_BITS + Integer.numberOfTrailingZeros(logicalSectorSize) - blockBits;
        return new BlockAllocationTable(offset, blockBits, chunkBits, size, hasParent);
    }

    static int state(long entry) {
        return (int) entry & 7;
    }

    /** Bytes from the beginning of the file; negative if no file can be that long. */
    static long fileOffset(long entry) {
        return Alignment.down(entry, Layout.MIB);
    }

    long blockSize() {
        return 1L << blockBits;
    }

    long chunkBlocks() {
        return 1L << chunkBits;
    }

    long payloadBlocks() {
        return size + blockSize() - 1 >>> blockBits;
    }

    /** The number of entries, including those of bitmaps. */
    long entries() {
        long blocks = payloadBlocks();
        return hasParent ? (blocks + chunkBlocks() - 1 >>> chunkBits) * (chunkBlocks() + 1) : index(blocks - 1) + 1;
    }

    /** Index of the entry of a payload block. */
    long index(long block) {
        return block + (block >>> chunkBits);
    }

    /** Index of the entry of the bitmap of a payload block's chunk. */
    long bitmapIndex(long block) {
        return (block >>> chunkBits) * (chunkBlocks() + 1) + chunkBlocks();
    }

    boolean isBitmap(long index) {
        return (index + 1) % (chunkBlocks() + 1) == 0;
    }

    /** The payload block of an entry that is not a bitmap's. */
    long block(long index) {
        return index - index / (chunkBlocks() + 1);
    }

    /**
     * Bytes of a block that belong to the disk: all of them, fewer for the last block, none for an unused entry of a
     * chunk.
     */
    long used(long block) {
        return Math.max(0, Math.min(blockSize(), size - (block << blockBits)));
    }

    /** Whether an entry's state is valid for its kind and means that the entry's offset is in use. */
    boolean isPresent(long index, long entry) {
        int state = state(entry);
        return isBitmap(index)
                ? hasParent && state == SB_BLOCK_PRESENT
                : state == PAYLOAD_BLOCK_FULLY_PRESENT || hasParent && state == PAYLOAD_BLOCK_PARTIALLY_PRESENT;
    }

    private boolean isAbsent(long index, long entry) {
        return isBitmap(index) ? !hasParent || state(entry) == 0 : state(entry) <= PAYLOAD_BLOCK_UNMAPPED;
    }

    /** Bytes of the file that an entry takes up at its offset, if it is present. */
    long length(long index) {
        return isBitmap(index) ? SECTOR_BITMAP_BYTES : used(block(index));
    }

    /**
     * Whether an entry is valid: its state exists, and if it is present it lies inside the file and overlaps no header,
     * log or region.
     */
    boolean isValid(long index, long entry, Regions regions, long endOfFile) {
        if (!isPresent(index, entry)) {
            return isAbsent(index, entry);
        }
        long at = fileOffset(entry);
        long length = length(index);
        return at > 0 && at <= endOfFile - length && !regions.overlaps(at, length);
    }
}
