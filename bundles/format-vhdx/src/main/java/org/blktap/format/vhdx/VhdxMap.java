package org.blktap.format.vhdx;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.image.Allocation;
import org.blktap.image.Answer;
import org.blktap.image.ClusterMap;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.FileSpace;
import org.blktap.image.PastEnd;
import org.blktap.image.Place;
import org.blktap.image.SeveralSpaces;
import org.blktap.image.Space;
import org.blktap.image.Table;
import org.blktap.image.TableCache;

/**
 * The BAT, a page at a time, and for differencing images the sector bitmaps. The clusters of the map are the payload
 * blocks; new ones go to the end of the file, and the BAT changes through the log.
 */
final class VhdxMap implements ClusterMap {
    private static final Logger LOG = System.getLogger("org.blktap.format.vhdx");
    /** Entries of a page of the BAT: 64 KiB, which is what an entry of the log can hold. */
    private static final int PAGE_ENTRY_BITS = 13;

    private static final int PAGE_ENTRIES = 1 << PAGE_ENTRY_BITS;
    private static final int PAGE_BYTES = PAGE_ENTRIES * BlockAllocationTable.ENTRY_BYTES;
    private static final int BITMAP_PAGE_BYTES = 4096;
    private static final int BITMAP_CACHE = 1 << 20;
    /** Most bytes that one write allocates, so that a write of a huge range does not make a file of many terabytes. */
    private static final long MOST_AT_ONCE = 64 << 20;

    private static final int SMALLEST_UNIT = Alignment.SECTOR;

    private final VhdxImage image;
    private final IoFile file;
    private final BlockAllocationTable bat;
    private final TableCache pages;
    private final TableCache bitmaps;
    private final LogWriter log;
    private final LoggedFile logged;
    private final FileSpace space;
    /** The background work of the log and of the file's end, both of which make flushes of their own. */
    private final Space flushed;

    private final PastEnd pastEnd;
    private final int blockBits;
    private final int chunkBits;
    private final long blockMask;
    private final int sectorBits;
    private final long openEnd;
    private boolean corruptTold;

    /** @param cacheBytes for pages of the BAT */
    VhdxMap(VhdxImage image, DiskContext context, long cacheBytes) throws DiskException {
        this.image = image;
        file = image.file();
        bat = image.bat();
        blockBits = bat.blockBits();
        chunkBits = bat.chunkBits();
        blockMask = bat.blockSize() - 1;
        sectorBits = Integer.numberOfTrailingZeros(image.metadata().logicalSectorSize());
        openEnd = file.size();
        pastEnd = new PastEnd(openEnd);
        if (context.readOnly()) {
            space = null;
            log = null;
            logged = null;
            flushed = Space.STILL;
        } else {
            space = new FileSpace(
                    file, context.loop(), image.firstFree(), image.metadata().size());
            log = new LogWriter(file, image.headers(), context.memory());
            logged = new LoggedFile(file, log, space::end);
            flushed = new SeveralSpaces(List.of(logged, space));
        }
        long mostPages = bat.entries() + PAGE_ENTRIES - 1 >>> PAGE_ENTRY_BITS;
        pages = new TableCache(context.memory(), logged == null ? file : logged, PAGE_BYTES, cacheBytes, mostPages);
        bitmaps = bat.hasParent()
                ? new TableCache(context.memory(), file, BITMAP_PAGE_BYTES, BITMAP_CACHE, Long.MAX_VALUE)
                : null;
    }

    /** The log of a disk that may be written. */
    LogWriter log() {
        return log;
    }

    @Override
    public int clusterSize() {
        return 1 << blockBits;
    }

    /** Nothing is copied up: new blocks of a disk without a parent read as zeros. */
    @Override
    public int largestUnit() {
        return SMALLEST_UNIT;
    }

    @Override
    public void find(long offset, long length, Place into) {
        long block = offset >>> blockBits;
        long index = bat.index(block);
        int pageNumber = (int) (index >>> PAGE_ENTRY_BITS);
        Table page = page(pageNumber, into);
        if (page == null) {
            return;
        }
        int i = (int) index & PAGE_ENTRIES - 1;
        long entry = entry(page, i);
        into.inTable(page, i, entry, 0);
        long run = Math.min(length, blockMask + 1 - (offset & blockMask));
        if (pastEnd.isStale(pageNumber, i)) {
            corrupt(index, entry);
            into.corrupt(run);
            return;
        }
        switch (BlockAllocationTable.state(entry)) {
            case BlockAllocationTable.PAYLOAD_BLOCK_NOT_PRESENT ->
                into.unallocated(run(block, page, pageNumber, entry, 0, run, length));
            case BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT ->
                into.data(
                        file,
                        BlockAllocationTable.fileOffset(entry) + (offset & blockMask),
                        run(block, page, pageNumber, entry, blockMask + 1, run, length));
            case BlockAllocationTable.PAYLOAD_BLOCK_PARTIALLY_PRESENT -> partial(block, entry, offset, run, into);
            // UNDEFINED and UNMAPPED may have any contents except the parent's
            default -> into.zero(run(block, page, pageNumber, entry, 0, run, length));
        }
    }

    /**
     * Returns the page if it is loaded; else null, and {@code into} says so. The entries of a page are checked once.
     */
    private Table page(int number, Place into) {
        long at = bat.offset() + (long) number * PAGE_BYTES;
        Table page = pages.get(at);
        if (page == null) {
            into.notLoaded(pages, at);
        } else if (!pastEnd.hasSeen(number)) {
            long first = (long) number << PAGE_ENTRY_BITS;
            int count = (int) Math.min(PAGE_ENTRIES, bat.entries() - first);
            pastEnd.look(
                    number,
                    count,
                    i -> bat.isValid(first + i, entry(page, i), image.regions(), openEnd) ? 0 : Long.MAX_VALUE);
        }
        return page;
    }

    /** Extends the run while the next block's entry is the last one plus a step. */
    private long run(
            long firstBlock, Table page, int pageNumber, long firstEntry, long step, long firstRun, long length) {
        long run = firstRun;
        long block = firstBlock;
        long entry = firstEntry;
        while (run < length) {
            long index = bat.index(++block);
            int i = (int) index & PAGE_ENTRIES - 1;
            entry += step;
            if (index >>> PAGE_ENTRY_BITS != pageNumber || entry(page, i) != entry || pastEnd.isStale(pageNumber, i)) {
                break;
            }
            run = Math.min(length, run + blockMask + 1);
        }
        return run;
    }

    /**
     * Answers by the chunk's bitmap, which says for each sector, lowest bit first, whether it is here or in the parent.
     */
    private void partial(long block, long entry, long offset, long length, Place into) {
        long index = bat.bitmapIndex(block);
        int pageNumber = (int) (index >>> PAGE_ENTRY_BITS);
        Table page = page(pageNumber, into);
        if (page == null) {
            return;
        }
        int i = (int) index & PAGE_ENTRIES - 1;
        long bitmapEntry = entry(page, i);
        if (pastEnd.isStale(pageNumber, i)
                || BlockAllocationTable.state(bitmapEntry) != BlockAllocationTable.SB_BLOCK_PRESENT) {
            corrupt(index, bitmapEntry);
            into.corrupt(length);
            return;
        }
        long sector = (offset & (1L << blockBits + chunkBits) - 1) >>> sectorBits;
        long at = BlockAllocationTable.fileOffset(bitmapEntry) + Alignment.down(sector >>> 3, BITMAP_PAGE_BYTES);
        Table bitmap = bitmaps.get(at);
        if (bitmap == null) {
            into.notLoaded(bitmaps, at);
            return;
        }
        int bit = (int) sector & BITMAP_PAGE_BYTES * 8 - 1;
        boolean here = isSet(bitmap, bit);
        long run = (sector + 1 << sectorBits) - (offset & (1L << blockBits + chunkBits) - 1);
        while (run < length && ++bit < BITMAP_PAGE_BYTES * 8 && isSet(bitmap, bit) == here) {
            run += 1L << sectorBits;
        }
        if (here) {
            into.data(file, BlockAllocationTable.fileOffset(entry) + (offset & blockMask), Math.min(run, length));
        } else {
            into.unallocated(Math.min(run, length));
        }
    }

    private static boolean isSet(Table bitmap, int bit) {
        return (Memory.getByte(bitmap.address() + (bit >>> 3)) >>> (bit & 7) & 1) != 0;
    }

    private static long entry(Table page, int i) {
        return Long.reverseBytes(page.getLongBig(i * BlockAllocationTable.ENTRY_BYTES));
    }

    private static void put(Table page, int i, long entry) {
        page.putLongBig(i * BlockAllocationTable.ENTRY_BYTES, Long.reverseBytes(entry));
    }

    private void corrupt(long index, long entry) {
        if (!corruptTold) {
            corruptTold = true;
            LOG.log(
                    Level.ERROR,
                    DiskException.corrupt(
                                            file.path(),
                                            "BAT entry " + index,
                                            bat.offset() + index * BlockAllocationTable.ENTRY_BYTES,
                                            Layout.hex(entry),
                                            "a known state, and an offset inside the file after its regions")
                                    .getMessage()
                            + "; this range and others like it end with I/O errors");
        }
    }

    @Override
    public Answer allocate(Place found, long length, Allocation into) {
        long offset = found.offset();
        long block = offset >>> blockBits;
        long blocks = (offset + length - 1 >>> blockBits) - block + 1;
        blocks = Math.min(blocks, Math.max(1, MOST_AT_ONCE >>> blockBits));
        // the entry of a bitmap lies between those of two chunks
        blocks = Math.min(blocks, (1L << chunkBits) - (block & (1L << chunkBits) - 1));
        blocks = Math.min(blocks, PAGE_ENTRIES - found.index());
        long start = block << blockBits;
        long end = start + (blocks << blockBits);
        long at = space.reserve(end - start);
        into.target().fresh(file, at, clusterSize());
        into.room(space, space.end());
        into.busy(start, end);
        pages.pin(found.table());
        EntryChange change = into.change();
        change.covers(EntryChange.Kind.DATA, offset, Math.min(length, end - offset));
        change.inTable(found.table());
        change.entries(found.index(), (int) blocks, found.entry(), 0);
        change.become(at | BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT, 0);
        return Answer.ALLOCATED;
    }

    @Override
    public void commit(EntryChange change, DirtyTables dirty) {
        for (int i = 0; i < change.count(); i++) {
            put(change.table(), change.first() + i, change.next() + ((long) i << blockBits));
        }
        mark(change, dirty);
    }

    @Override
    public void undo(EntryChange change, DirtyTables dirty) {
        // several blocks are allocated together only where all entries were the same
        for (int i = 0; i < change.count(); i++) {
            put(change.table(), change.first() + i, change.previous());
        }
        mark(change, dirty);
    }

    private static void mark(EntryChange change, DirtyTables dirty) {
        dirty.mark(
                change.table(),
                change.first() * BlockAllocationTable.ENTRY_BYTES,
                change.count() * BlockAllocationTable.ENTRY_BYTES);
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
        }
    }
}
