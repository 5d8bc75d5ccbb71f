package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.BitSet;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Allocation;
import org.blktap.image.Answer;
import org.blktap.image.ClusterMap;
import org.blktap.image.CorruptionLog;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.FileSpace;
import org.blktap.image.Place;
import org.blktap.image.Space;
import org.blktap.image.Table;
import org.blktap.image.TableCache;

/**
 * The blocks of a dynamic or differencing image. A BAT entry points at a block: its sector bitmap, then its data. A
 * sector whose bit is clear is the parent's, or zeros. So a cluster of the map is one sector, and nothing is copied up.
 * New blocks go to the end of the file, where the last footer moves on.
 *
 * <p>Without a parent, a new block's bitmap is all ones at once, since new space reads as zeros: no later write there
 * changes a table. The map knows such full blocks without reading their bitmaps.
 */
final class VhdMap implements ClusterMap {
    private static final Logger LOG = System.getLogger("org.blktap.format.vhd");
    /**
     * A block past this offset has no sector number. A little lower than the exact limit, because new space may leave
     * out a page.
     */
    private static final long LAST_OFFSET = 0xffff_ff00L * SECTOR;

    private final VhdImage image;
    private final IoFile file;
    private final Bat bat;
    private final TableCache bitmaps;
    private final FileSpace space;
    private final LastFooter footer;
    private final long firstFree;
    private final int blockBits;
    private final long blockMask;
    private final int bitmapBytes;
    private final int blockSectors;
    /** Bytes of a block in the file: whole pages, so that the next one's data begins with one too. */
    private final long reserved;

    private final boolean hasParent;
    /** Blocks whose bitmap is all ones. */
    private final BitSet full = new BitSet();
    /** Blocks whose bitmap has been searched for clear bits. */
    private final BitSet seen = new BitSet();

    private final CorruptionLog corruption;

    /** @param cacheBytes for bitmaps */
    VhdMap(VhdImage image, IoFile file, IoLoop loop, NativeMemory memory, long cacheBytes) throws DiskException {
        this.image = image;
        this.file = file;
        corruption = new CorruptionLog(LOG, file.path());
        VhdHeader header = image.header();
        blockBits = Integer.numberOfTrailingZeros(header.blockSize());
        blockMask = header.blockSize() - 1;
        bitmapBytes = header.bitmapBytes();
        blockSectors = header.blockSize() / SECTOR;
        hasParent = image.footer().type() == VhdFooter.DIFFERENCING;
        bat = new Bat(image, file, memory);
        // after everything in the file, so that data begins at a page
        firstFree = Alignment.up(Math.max(image.limit(), bat.end()) + bitmapBytes, PAGE) - bitmapBytes;
        reserved = Alignment.up(header.blockBytes(), PAGE);
        footer = new LastFooter(file, image.footer(), image.footerAt(), reserved);
        space = new FileSpace(file, loop, firstFree, image.diskBytes(), footer);
        bitmaps = new TableCache(memory, file, bitmapBytes, cacheBytes, bat.entries());
        if (image.batmap() != null) {
            full.or(image.batmap().bits());
        }
    }

    /** Makes both footers equal after a crash, before anything else changes. */
    void mendFooters() throws DiskException {
        try {
            if (image.footerAt() < 0) {
                footer.putAt(firstFree);
            }
            if (image.copyDiffers()) {
                file.writeFully(image.footer().bytes(), 0);
                file.flushNow();
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "put the footers right", e);
        }
    }

    @Override
    public int clusterSize() {
        return SECTOR;
    }

    @Override
    public void find(long offset, long length, Place into) {
        int block = block(offset);
        long inBlock = offset & blockMask;
        long run = Math.min(length, blockMask + 1 - inBlock);
        if (!bat.isUsed(block)) {
            while (run < length && !bat.isUsed(++block)) {
                run = Math.min(length, run + blockMask + 1);
            }
            into.unallocated(run);
        } else if (bat.isInvalid(block)) {
            corrupt(block);
            into.corrupt(run);
        } else if (full.get(block)) {
            into.data(file, bat.offset(block) + bitmapBytes + inBlock, run);
        } else {
            Table bitmap = bitmaps.get(bat.offset(block));
            if (bitmap == null) {
                into.notLoaded(bitmaps, bat.offset(block));
            } else {
                inBitmap(block, bitmap, inBlock, run, into);
            }
        }
    }

    private void inBitmap(int block, Table bitmap, long inBlock, long length, Place into) {
        if (!seen.get(block)) {
            seen.set(block);
            noteFull(block, bitmap);
        }
        int first = (int) (inBlock / SECTOR);
        boolean set = SectorBitmap.get(bitmap, first);
        into.inTable(bitmap, first, set ? 1 : 0, 0);
        int end = SectorBitmap.runEnd(bitmap, first, (int) Alignment.units(inBlock + length, SECTOR), set);
        long run = Math.min(length, (long) end * SECTOR - inBlock);
        if (set) {
            into.data(file, bat.offset(block) + bitmapBytes + inBlock, run);
        } else {
            into.unallocated(run);
        }
    }

    private void noteFull(int block, Table bitmap) {
        if (SectorBitmap.runEnd(bitmap, 0, blockSectors, true) == blockSectors) {
            full.set(block);
        }
    }

    private void corrupt(int block) {
        corruption.found(
                "BAT entry " + block,
                bat.entryAt(block),
                bat.offset(block) / SECTOR,
                "the sector of a block inside the file after its tables");
    }

    @Override
    public Answer allocate(Place found, long length, Allocation into) {
        long offset = found.offset();
        long blockStart = offset & ~blockMask;
        long covered = Math.min(length, blockStart + blockMask + 1 - offset);
        if (found.table() != null) {
            into.change().covers(EntryChange.Kind.DATA, offset, covered);
            return inOldBlock(found, (int) (covered / SECTOR), into);
        }
        if (space.end() > LAST_OFFSET) {
            return Answer.REFUSED;
        }
        if (!bitmaps.hasRoom()) {
            return into.noTable(bitmaps);
        }
        into.change().covers(EntryChange.Kind.DATA, offset, covered);
        return inNewBlock(block(offset), blockStart, into);
    }

    private Answer inOldBlock(Place found, int sectors, Allocation into) {
        EntryChange change = into.change();
        // the sector may hold data of a write whose bits were never set
        into.target().used(file, found.table().fileOffset() + bitmapBytes + (long) found.index() * SECTOR, SECTOR);
        into.busy(change.offset(), change.offset() + change.length());
        bitmaps.pin(found.table());
        change.inTable(found.table());
        change.entries(found.index(), sectors, 0, 0);
        return Answer.ALLOCATED;
    }

    private Answer inNewBlock(int block, long blockStart, Allocation into) {
        EntryChange change = into.change();
        long inBlock = change.offset() - blockStart;
        long at = space.reserve(reserved);
        Table bitmap = bitmaps.create(at);
        seen.set(block);
        // the batmap may have had a bit for the block before it was allocated
        full.clear(block);
        if (hasParent) {
            SectorBitmap.put(bitmap, (int) (inBlock / SECTOR), (int) (change.length() / SECTOR), true);
            int inDisk = (int) (Math.min(image.diskBytes() - blockStart, blockMask + 1) / SECTOR);
            SectorBitmap.put(bitmap, inDisk, blockSectors - inDisk, true);
        } else {
            SectorBitmap.put(bitmap, 0, blockSectors, true);
        }
        into.target().fresh(file, at + bitmapBytes + inBlock, SECTOR);
        into.room(space, space.end());
        into.busy(blockStart, blockStart + blockMask + 1);
        change.inNewTable(bitmap, block, Bat.UNUSED);
        return Answer.ALLOCATED;
    }

    @Override
    public void commit(EntryChange change, DirtyTables dirty) {
        Table bitmap = change.table();
        int block = block(change.offset());
        if (change.newTable()) {
            bat.set(block, bitmap.fileOffset(), dirty);
        } else {
            SectorBitmap.put(bitmap, change.first(), change.count(), true);
            markBits(change, dirty);
        }
        noteFull(block, bitmap);
    }

    @Override
    public void undo(EntryChange change, DirtyTables dirty) {
        int block = block(change.offset());
        full.clear(block);
        if (change.newTable()) {
            bat.setUnused(block, dirty);
        } else {
            // only runs of clear bits are allocated
            SectorBitmap.put(change.table(), change.first(), change.count(), false);
            markBits(change, dirty);
        }
    }

    private int block(long offset) {
        return (int) (offset >>> blockBits);
    }

    private static void markBits(EntryChange change, DirtyTables dirty) {
        int from = change.first() / Byte.SIZE;
        int to = Alignment.units(change.first() + change.count(), Byte.SIZE);
        dirty.mark(change.table(), from, to - from);
    }

    @Override
    public void settled(EntryChange change, boolean kept) {
        change.releaseTable(kept);
    }

    @Override
    public Space space() {
        return space;
    }

    /** Returns the batmap for the current state: blocks that are allocated and full. */
    private BitSet batmap() {
        BitSet bits = new BitSet();
        for (int block = full.nextSetBit(0); block >= 0 && block < bat.entries(); block = full.nextSetBit(block + 1)) {
            if (bat.isUsed(block) && !bat.isInvalid(block)) {
                bits.set(block);
            }
        }
        bits.clear(
                Math.min(bits.length(), image.batmap().summedBytes() * 8),
                Math.max(bits.length(), image.batmap().summedBytes() * 8));
        return bits;
    }

    @Override
    public void close() {
        try {
            if (file.writable()) {
                tidyUp();
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, file.path() + ": cannot be tidied up at the end: " + e.getMessage());
        } finally {
            bitmaps.close();
            bat.close();
            file.close();
        }
    }

    private void tidyUp() throws IOException {
        if (space.end() != firstFree) {
            footer.putAt(space.end());
        }
        if (image.batmap() != null) {
            BitSet bits = batmap();
            if (!image.batmap().isIntact() || !bits.equals(image.batmap().bits())) {
                // the bitmaps that it summarises must be durable first
                file.flushNow();
                image.batmap().write(file, bits);
                file.flushNow();
            }
        }
    }
}
