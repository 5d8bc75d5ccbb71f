package org.blktap.format.vhdx;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Allocation;
import org.blktap.image.Answer;
import org.blktap.image.ClusterMap;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.FileSpace;
import org.blktap.image.Place;
import org.blktap.image.SeveralSpaces;
import org.blktap.image.Space;
import org.blktap.image.Table;

/**
 * The blocks of an image. New ones go to the end of the file, and the BAT changes through the log.
 *
 * <p>Without a parent a cluster of the map is a payload block. In a differencing image it is one sector, so that
 * nothing is copied up: a block that has only some of its sectors is partially present, and the bitmap of its chunk
 * says which. A block becomes fully present when the last bit is set, or at once if a write covers all of it, or if the
 * parent has nothing there.
 */
final class VhdxMap implements ClusterMap {
    private static final Logger LOG = System.getLogger("org.blktap.format.vhdx");
    /** Most bytes that one write allocates, so that a write of a huge range does not make a file of many terabytes. */
    private static final long MOST_AT_ONCE = 64 << 20;

    private static final int SMALLEST_UNIT = Alignment.SECTOR;

    private final IoFile file;
    private final BlockAllocationTable bat;
    private final BatPages pages;
    /** Null without a parent. */
    private final SectorBitmaps bitmaps;

    private final ChangedEntries entries;

    private final LogWriter log;
    private final LoggedFile logged;
    private final FileSpace space;
    /** The background work of the log and of the file's end, both of which make flushes of their own. */
    private final Space flushed;

    private final int blockBits;
    private final int chunkBits;
    private final long blockMask;
    private final int sectorBits;
    private final long parentSize;
    private final Runnable whenClosed;

    /**
     * @param parentSize bytes of the parent's disk; 0 without one
     * @param cacheBytes for pages of the BAT, and as much for pages of bitmaps
     * @param whenClosed called at the end of {@link #close}
     */
    VhdxMap(VhdxImage image, DiskContext context, long parentSize, long cacheBytes, Runnable whenClosed)
            throws DiskException {
        this.parentSize = parentSize;
        this.whenClosed = whenClosed;
        file = image.file();
        bat = image.bat();
        blockBits = bat.blockBits();
        chunkBits = bat.chunkBits();
        blockMask = bat.blockSize() - 1;
        sectorBits = Integer.numberOfTrailingZeros(image.metadata().logicalSectorSize());
        long openEnd = file.size();
        if (context.readOnly()) {
            space = null;
            log = null;
            logged = null;
            flushed = Space.STILL;
        } else {
            space = new FileSpace(
                    file, context.loop(), image.firstFree(), image.metadata().size());
            log = new LogWriter(file, image.headers(), context.memory());
            logged = new LoggedFile(file, log, context.loop(), space::end);
            flushed = new SeveralSpaces(List.of(logged, space));
        }
        pages = new BatPages(image, logged == null ? file : logged, context.memory(), cacheBytes, openEnd);
        bitmaps = bat.hasParent()
                ? new SectorBitmaps(
                        bat, sectorBits, logged == null ? file : logged.first(), context.memory(), cacheBytes)
                : null;
        entries = new ChangedEntries(bat, bitmaps, sectorBits);
    }

    /** The log of a disk that may be written. */
    LogWriter log() {
        return log;
    }

    @Override
    public int clusterSize() {
        return bitmaps == null ? 1 << blockBits : 1 << sectorBits;
    }

    /** Without a parent nothing is copied up: new blocks read as zeros. */
    @Override
    public int largestUnit() {
        return bitmaps == null ? SMALLEST_UNIT : clusterSize();
    }

    @Override
    public void find(long offset, long length, Place into) {
        long block = offset >>> blockBits;
        long index = bat.index(block);
        Table page = pages.page(index);
        if (page == null) {
            into.notLoaded(pages.cache(), pages.at(index));
            return;
        }
        int slot = BatPages.slot(index);
        long entry = BatPages.entry(page, slot);
        into.inTable(page, slot, entry, 0);
        long run = Math.min(length, blockMask + 1 - (offset & blockMask));
        if (pages.isInvalid(index)) {
            pages.corrupt(index, entry);
            into.corrupt(run);
            return;
        }
        switch (BlockAllocationTable.state(entry)) {
            case BlockAllocationTable.PAYLOAD_BLOCK_NOT_PRESENT ->
                into.unallocated(run(block, page, entry, 0, run, length));
            case BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT ->
                into.data(
                        file,
                        BlockAllocationTable.fileOffset(entry) + (offset & blockMask),
                        run(block, page, entry, blockMask + 1, run, length));
            case BlockAllocationTable.PAYLOAD_BLOCK_PARTIALLY_PRESENT -> partial(block, entry, offset, run, into);
            // UNDEFINED and UNMAPPED may have any contents except the parent's
            default -> into.zero(run(block, page, entry, 0, run, length));
        }
    }

    /** Extends the run while the next block's entry is the last one plus a step. */
    private long run(long firstBlock, Table page, long firstEntry, long step, long firstRun, long length) {
        long run = firstRun;
        long block = firstBlock;
        long entry = firstEntry;
        while (run < length) {
            long index = bat.index(++block);
            entry += step;
            if (!BatPages.samePage(index, bat.index(firstBlock))
                    || BatPages.entry(page, BatPages.slot(index)) != entry
                    || pages.isInvalid(index)) {
                break;
            }
            run = Math.min(length, run + blockMask + 1);
        }
        return run;
    }

    /**
     * Answers by the chunk's bitmap. The place then has the bitmap's page, the bit, and the block's entry of the BAT.
     */
    private void partial(long block, long entry, long offset, long length, Place into) {
        long index = bat.bitmapIndex(block);
        Table page = pages.page(index);
        if (page == null) {
            into.notLoaded(pages.cache(), pages.at(index));
            return;
        }
        long bitmapEntry = BatPages.entry(page, BatPages.slot(index));
        if (pages.isInvalid(index)
                || BlockAllocationTable.state(bitmapEntry) != BlockAllocationTable.SB_BLOCK_PRESENT) {
            pages.corrupt(index, bitmapEntry);
            into.corrupt(length);
            return;
        }
        long at = bitmaps.at(bitmapEntry, offset);
        Table bitmap = bitmaps.cache().get(at);
        if (bitmap == null) {
            into.notLoaded(bitmaps.cache(), at);
            return;
        }
        int bit = bitmaps.bit(offset);
        boolean here = SectorBitmaps.get(bitmap, bit);
        into.inTable(bitmap, bit, entry, 0);
        int end = SectorBitmaps.runEnd(bitmap, bit, bit + sectors(offset, length), here);
        long run = Math.min(length, ((long) (end - bit) << sectorBits) - inSector(offset));
        if (here) {
            into.data(file, BlockAllocationTable.fileOffset(entry) + (offset & blockMask), run);
        } else {
            into.unallocated(run);
        }
    }

    private long inSector(long offset) {
        return offset & (1L << sectorBits) - 1;
    }

    /** How many sectors a range touches. */
    private int sectors(long offset, long length) {
        return (int) (inSector(offset) + length + (1L << sectorBits) - 1 >>> sectorBits);
    }

    @Override
    public Answer allocate(Place found, long length, Allocation into) {
        long offset = found.offset();
        long block = offset >>> blockBits;
        if (BlockAllocationTable.state(found.entry()) == BlockAllocationTable.PAYLOAD_BLOCK_PARTIALLY_PRESENT) {
            return inPartialBlock(found, block, length, into);
        }
        boolean showsParent = found.kind() == Place.Kind.UNALLOCATED && block << blockBits < parentSize;
        long blocks = showsParent ? wholeBlocks(offset, length) : (offset + length - 1 >>> blockBits) - block + 1;
        return blocks == 0 ? inNewPartialBlock(found, block, length, into) : inNewBlocks(found, blocks, length, into);
    }

    /** How many blocks the range covers, from its beginning on. */
    private long wholeBlocks(long offset, long length) {
        long end = offset + length;
        long last = end == bat.size() ? Alignment.up(end, blockMask + 1) : end;
        return (offset & blockMask) != 0 ? 0 : (last >>> blockBits) - (offset >>> blockBits);
    }

    /** At most so many blocks, as far as their entries follow each other in one page. */
    private long inOnePage(Place found, long blocks) {
        // the entry of a bitmap lies between those of two chunks
        long inChunk = (1L << chunkBits) - (found.offset() >>> blockBits & (1L << chunkBits) - 1);
        return Math.min(Math.min(blocks, inChunk), BatPages.ENTRIES - found.index());
    }

    private Answer inNewBlocks(Place found, long wanted, long length, Allocation into) {
        long offset = found.offset();
        long blocks = inOnePage(found, Math.min(wanted, Math.max(1, MOST_AT_ONCE >>> blockBits)));
        long start = offset & ~blockMask;
        long end = start + (blocks << blockBits);
        long at = space.reserve(end - start);
        into.target().fresh(file, at + Alignment.down(offset - start, clusterSize()), clusterSize());
        into.room(space, space.end());
        into.busy(start, end);
        pages.pin(found.table());
        EntryChange change = into.change();
        change.covers(EntryChange.Kind.DATA, offset, Math.min(length, end - offset));
        change.inTable(found.table());
        change.entries(found.index(), (int) blocks, found.entry(), 0);
        change.become(at | BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT, ChangedEntries.BLOCKS);
        return Answer.ALLOCATED;
    }

    private Answer inPartialBlock(Place found, long block, long length, Allocation into) {
        long offset = found.offset();
        EntryChange change = into.change();
        // the sectors may hold data of a write whose bits were never set
        into.target()
                .used(
                        file,
                        BlockAllocationTable.fileOffset(found.entry())
                                + Alignment.down(offset & blockMask, clusterSize()),
                        clusterSize());
        into.busy(Alignment.down(offset, clusterSize()), Alignment.up(offset + length, clusterSize()));
        bitmaps.cache().pin(found.table());
        change.covers(EntryChange.Kind.DATA, offset, length);
        change.inTable(found.table());
        change.entries(found.index(), sectors(offset, length), 0, 0);
        change.become(0, ChangedEntries.BITS);
        long index = bat.index(block);
        Table page = pages.page(index);
        if (page != null) {
            pages.pin(page);
            change.alsoIn(page, BatPages.slot(index));
        }
        return Answer.ALLOCATED;
    }

    private Answer inNewPartialBlock(Place found, long block, long length, Allocation into) {
        long index = bat.bitmapIndex(block);
        Table page = pages.page(index);
        if (page == null) {
            return into.notLoaded(pages.cache(), pages.at(index));
        }
        long bitmapEntry = BatPages.entry(page, BatPages.slot(index));
        if (pages.isInvalid(index)) {
            pages.corrupt(index, bitmapEntry);
            return Answer.REFUSED;
        }
        if (BlockAllocationTable.state(bitmapEntry) != BlockAllocationTable.SB_BLOCK_PRESENT) {
            return newBitmap(found, page, index, bitmapEntry, into);
        }
        long offset = found.offset();
        long bitmapAt = bitmaps.at(bitmapEntry, offset);
        Table bitmap = bitmaps.cache().get(bitmapAt);
        if (bitmap == null) {
            return into.notLoaded(bitmaps.cache(), bitmapAt);
        }
        long start = block << blockBits;
        long covered = Math.min(length, start + blockMask + 1 - offset);
        long at = space.reserve(blockMask + 1);
        into.target().fresh(file, at + Alignment.down(offset - start, clusterSize()), clusterSize());
        into.room(space, space.end());
        into.busy(start, start + blockMask + 1);
        bitmaps.cache().pin(bitmap);
        pages.pin(found.table());
        EntryChange change = into.change();
        change.covers(EntryChange.Kind.DATA, offset, covered);
        change.inTable(bitmap);
        change.entries(bitmaps.bit(offset), sectors(offset, covered), found.entry(), 0);
        change.alsoIn(found.table(), found.index());
        change.become(at | BlockAllocationTable.PAYLOAD_BLOCK_PARTIALLY_PRESENT, ChangedEntries.BLOCK_WITH_BITS);
        return Answer.ALLOCATED;
    }

    /** A bitmap for the chunk, all clear as new space is. All of the chunk waits, which is once in its life. */
    private Answer newBitmap(Place found, Table page, long index, long entry, Allocation into) {
        long chunkStart = Alignment.down(found.offset(), 1L << blockBits + chunkBits);
        long at = space.reserve(BlockAllocationTable.SECTOR_BITMAP_BYTES);
        into.room(space, space.end());
        into.busy(chunkStart, chunkStart + (1L << blockBits + chunkBits));
        pages.pin(page);
        EntryChange change = into.change();
        change.covers(EntryChange.Kind.TABLE, found.offset(), 0);
        change.inTable(page);
        change.entries(BatPages.slot(index), 1, entry, 0);
        change.become(at | BlockAllocationTable.SB_BLOCK_PRESENT, ChangedEntries.BLOCKS);
        return Answer.PREPARED;
    }

    /** Whole blocks that are the parent's become zeros without space. */
    @Override
    public Answer markZero(Place found, long length, Allocation into) {
        if (BlockAllocationTable.state(found.entry()) == BlockAllocationTable.PAYLOAD_BLOCK_PARTIALLY_PRESENT) {
            return Answer.REFUSED;
        }
        long offset = found.offset();
        long blocks = inOnePage(found, wholeBlocks(offset, length));
        if (blocks == 0) {
            return Answer.REFUSED;
        }
        into.busy(offset, offset + (blocks << blockBits));
        pages.pin(found.table());
        EntryChange change = into.change();
        change.covers(EntryChange.Kind.ZEROS, offset, Math.min(length, blocks << blockBits));
        change.inTable(found.table());
        change.entries(found.index(), (int) blocks, found.entry(), 0);
        change.become(BlockAllocationTable.PAYLOAD_BLOCK_ZERO, ChangedEntries.BLOCKS);
        return Answer.ALLOCATED;
    }

    @Override
    public void commit(EntryChange change, DirtyTables dirty) {
        entries.commit(change, dirty);
    }

    @Override
    public void undo(EntryChange change, DirtyTables dirty) {
        entries.undo(change, dirty);
    }

    @Override
    public void settled(EntryChange change, boolean kept) {
        change.releaseTable(kept);
    }

    @Override
    public Space space() {
        return flushed;
    }

    @Override
    public void close() {
        try {
            if (log != null && log.begun() && !logged.torn()) {
                log.end();
                // last: log entries hold a minimum length of the file
                space.trim();
            }
        } catch (IOException e) {
            LOG.log(
                    Level.WARNING,
                    file.path() + ": cannot be tidied up at the end, its log is replayed when it is opened next: "
                            + e.getMessage());
        } finally {
            pages.close();
            if (bitmaps != null) {
                bitmaps.close();
            }
            if (log != null) {
                log.close();
            }
            file.close();
            whenClosed.run();
        }
    }
}
