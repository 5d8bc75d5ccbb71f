package org.blktap.format.vhdx;

import org.blktap.api.memory.Alignment;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.Table;

/** Puts the changes of the map into the tables in memory, and takes them back. Loop only. */
final class ChangedEntries {
    // what a change is about, as the second word of its entries
    /** Entries of the BAT that follow each other. */
    static final long BLOCKS = 0;
    /** Bits of a block that is partially present; its entry of the BAT is in the second table, if that is loaded. */
    static final long BITS = 1;
    /** Bits of a block that becomes partially present; its entry of the BAT is in the second table. */
    static final long BLOCK_WITH_BITS = 2;

    private final BlockAllocationTable bat;
    private final SectorBitmaps bitmaps;
    private final int sectorBits;

    /** @param bitmaps null without a parent */
    ChangedEntries(BlockAllocationTable bat, SectorBitmaps bitmaps, int sectorBits) {
        this.bat = bat;
        this.bitmaps = bitmaps;
        this.sectorBits = sectorBits;
    }

    void commit(EntryChange change, DirtyTables dirty) {
        if (change.nextBits() == BLOCKS) {
            long step = change.kind() == EntryChange.Kind.DATA ? bat.blockSize() : 0;
            for (int i = 0; i < change.count(); i++) {
                BatPages.put(change.table(), change.first() + i, change.next() + i * step);
            }
            markEntries(change.table(), change.first(), change.count(), dirty);
            return;
        }
        if (change.nextBits() == BLOCK_WITH_BITS) {
            clearBlock(change, dirty);
            putEntry(change, change.next(), dirty);
        }
        SectorBitmaps.put(change.table(), change.first(), change.count(), true);
        markBits(change.table(), change.first(), change.count(), dirty);
        if (change.second() != null && isFull(change)) {
            long entry = BatPages.entry(change.second(), change.secondEntry());
            putEntry(
                    change,
                    BlockAllocationTable.fileOffset(entry) | BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT,
                    dirty);
        }
    }

    /** Clears the bits of a block that is not partially present yet: they may have any value. */
    private void clearBlock(EntryChange change, DirtyTables dirty) {
        int first = bitmaps.firstOfBlock(change.first());
        int count = bitmaps.blockBits();
        if (SectorBitmaps.runEnd(change.table(), first, first + count, false) < first + count) {
            SectorBitmaps.put(change.table(), first, count, false);
            markBits(change.table(), first, count, dirty);
        }
    }

    /** Whether the image has all sectors of the block that are part of the disk. */
    private boolean isFull(EntryChange change) {
        int first = bitmaps.firstOfBlock(change.first());
        int end = first + (int) (bat.used(change.offset() >>> bat.blockBits()) >>> sectorBits);
        return SectorBitmaps.runEnd(change.table(), first, end, true) == end;
    }

    void undo(EntryChange change, DirtyTables dirty) {
        if (change.nextBits() == BLOCKS) {
            // several blocks are changed together only where all entries were the same
            for (int i = 0; i < change.count(); i++) {
                BatPages.put(change.table(), change.first() + i, change.previous());
            }
            markEntries(change.table(), change.first(), change.count(), dirty);
        } else if (change.nextBits() == BLOCK_WITH_BITS) {
            // the bits stay: the file may have the new entry, which old bits would make wrong
            putEntry(change, change.previous(), dirty);
        } else {
            // only runs of clear bits are allocated
            SectorBitmaps.put(change.table(), change.first(), change.count(), false);
            markBits(change.table(), change.first(), change.count(), dirty);
            undoFull(change, dirty);
        }
    }

    private static void undoFull(EntryChange change, DirtyTables dirty) {
        if (change.second() == null) {
            return;
        }
        long entry = BatPages.entry(change.second(), change.secondEntry());
        if (BlockAllocationTable.state(entry) == BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT) {
            putEntry(
                    change,
                    BlockAllocationTable.fileOffset(entry) | BlockAllocationTable.PAYLOAD_BLOCK_PARTIALLY_PRESENT,
                    dirty);
        }
    }

    /** Changes the entry of the BAT beside bits of a bitmap. */
    private static void putEntry(EntryChange change, long entry, DirtyTables dirty) {
        BatPages.put(change.second(), change.secondEntry(), entry);
        markEntries(change.second(), change.secondEntry(), 1, dirty);
    }

    private static void markEntries(Table page, int first, int count, DirtyTables dirty) {
        dirty.mark(page, first * BlockAllocationTable.ENTRY_BYTES, count * BlockAllocationTable.ENTRY_BYTES);
    }

    private static void markBits(Table bitmap, int first, int count, DirtyTables dirty) {
        int from = first / Byte.SIZE;
        dirty.mark(bitmap, from, Alignment.units(first + count, Byte.SIZE) - from);
    }
}
