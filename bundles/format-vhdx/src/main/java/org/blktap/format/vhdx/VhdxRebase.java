package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.TreeMap;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Gives a differencing image another parent, or none. One entry of the log changes the metadata, so that a crash leaves
 * the old parent or the new one. The DataWriteGuid stays, since what the disk holds does not change: children of the
 * image stay valid.
 */
final class VhdxRebase {
    private static final int PIECE = 1 << 20;

    private final VhdxImage image;
    private final IoFile file;
    private final BlockAllocationTable bat;
    private final DiskContext context;
    private final LogWriter log;
    private final long lastFileOffset;
    /** The sectors of the BAT that change together. */
    private final TreeMap<Long, ByteBuffer> changes = new TreeMap<>();
    /** A sector of a bitmap, and where it is in the file. */
    private final ByteBuffer bits = Layout.allocate(Layout.SECTOR);

    private long bitsAt = -1;

    private VhdxRebase(VhdxImage image, DiskContext context, LogWriter log) {
        this.image = image;
        this.context = context;
        this.log = log;
        file = image.file();
        bat = image.bat();
        lastFileOffset = Alignment.up(file.size(), Layout.MIB);
    }

    /** @param backing null for none */
    static void rebase(VhdxImage image, TapSpec backing, DiskContext context) throws DiskException {
        IoFile file = image.file();
        VhdxMetadata metadata = image.metadata();
        if (!metadata.hasParent()) {
            throw new DiskException(
                    Reason.UNSUPPORTED, file.path() + ": is not a differencing image: it has no parent to change");
        }
        VhdxParent.Link link = null;
        if (backing != null) {
            link = VhdxParent.link(file.path(), backing, context);
            if (link.sectorSize() != metadata.logicalSectorSize()) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        file.path() + ": has sectors of " + metadata.logicalSectorSize() + " bytes, " + backing + " of "
                                + link.sectorSize());
            }
        }
        if (backing == null) {
            VhdxCheck.refuseDamaged(image, context);
        }
        try (LogWriter log = new LogWriter(file, image.headers(), context.memory())) {
            log.begin(image.headers().current().dataWriteGuid());
            VhdxRebase rebase = new VhdxRebase(image, context, log);
            MetadataEdit edit = new MetadataEdit(file, image.regions().metadata());
            if (link != null) {
                edit.put(VhdxMetadata.PARENT_LOCATOR, VhdxMetadata.IS_REQUIRED, ParentLocator.bytes(link.locator()));
            } else {
                rebase.dissolve();
                edit.remove(VhdxMetadata.PARENT_LOCATOR, 0);
                edit.putInt(
                        metadata.parametersOffset() + VhdxMetadata.AT_FLAGS,
                        metadata.leaveBlocksAllocated() ? VhdxMetadata.LEAVE_BLOCKS_ALLOCATED : 0);
            }
            edit.apply(log, rebase.lastFileOffset);
            log.end();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "give it another parent", e);
        }
    }

    /**
     * Makes an image of which the parent shows nothing but zeros one that needs no bitmaps: first blocks that are
     * partially present become fully present, then bitmaps that no block needs are dropped. At each moment it is a
     * valid differencing image with the same contents.
     */
    private void dissolve() throws IOException, DiskException {
        eachEntry(false);
        eachEntry(true);
    }

    private void eachEntry(boolean ofBitmaps) throws IOException, DiskException {
        ByteBuffer piece = Layout.allocate(PIECE);
        long inPiece = PIECE / BlockAllocationTable.ENTRY_BYTES;
        for (long first = 0; first < bat.entries(); first += inPiece) {
            int count = (int) Math.min(inPiece, bat.entries() - first);
            piece.clear().limit(count * BlockAllocationTable.ENTRY_BYTES);
            file.readFully(piece, bat.offset() + first * BlockAllocationTable.ENTRY_BYTES);
            for (int i = 0; i < count; i++) {
                long index = first + i;
                long entry = piece.getLong(i * BlockAllocationTable.ENTRY_BYTES);
                if (!bat.isPresent(index, entry) || bat.isBitmap(index) != ofBitmaps) {
                    continue;
                }
                if (ofBitmaps) {
                    change(index, 0);
                } else if (BlockAllocationTable.state(entry) == BlockAllocationTable.PAYLOAD_BLOCK_PARTIALLY_PRESENT
                        && bat.length(index) > 0) {
                    clearTheParents(bat.block(index), entry);
                    change(
                            index,
                            BlockAllocationTable.fileOffset(entry) | BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT);
                }
            }
        }
        write();
    }

    private void change(long index, long entry) throws IOException {
        long at = bat.offset() + index * BlockAllocationTable.ENTRY_BYTES;
        long sector = Alignment.down(at, Layout.SECTOR);
        if (!changes.containsKey(sector)) {
            if ((changes.size() + 1) * Layout.SECTOR > LogWriter.MOST_BYTES) {
                write();
            }
            ByteBuffer bytes = Layout.allocate(Layout.SECTOR);
            file.readFully(bytes, sector);
            changes.put(sector, bytes.clear());
        }
        changes.get(sector).putLong((int) (at - sector), entry);
    }

    private void write() throws IOException {
        if (!changes.isEmpty()) {
            // what was zeroed, before an entry shows it
            file.flushNow();
            log.writeNow(changes, lastFileOffset);
            changes.clear();
        }
    }

    /** Zeroes the sectors of a block that the parent has: they may hold data of writes that were never answered. */
    private void clearTheParents(long block, long entry) throws IOException, DiskException {
        int sectorSize = image.metadata().logicalSectorSize();
        long bitmap = BlockAllocationTable.fileOffset(image.batEntry(bat.bitmapIndex(block)));
        long firstBit = (block & bat.chunkBlocks() - 1) * (bat.blockSize() / sectorSize);
        long sectors = bat.used(block) / sectorSize;
        for (long from = 0; from < sectors; ) {
            long to = from;
            while (to < sectors && !isHere(bitmap, firstBit + to)) {
                to++;
            }
            if (to > from) {
                LogContents.zero(
                        file,
                        context.loop(),
                        BlockAllocationTable.fileOffset(entry) + from * sectorSize,
                        (to - from) * sectorSize);
            }
            from = to + 1;
        }
    }

    private boolean isHere(long bitmap, long bit) throws IOException {
        long at = bitmap + Alignment.down(bit >>> 3, Layout.SECTOR);
        if (at != bitsAt) {
            file.readFully(bits.clear(), at);
            bitsAt = at;
        }
        return (bits.get((int) (bit >>> 3) % Layout.SECTOR) >>> (bit & 7) & 1) != 0;
    }
}
