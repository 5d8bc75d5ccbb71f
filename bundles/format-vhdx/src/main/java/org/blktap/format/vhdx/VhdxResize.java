package org.blktap.format.vhdx;

import java.io.IOException;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;

/**
 * Makes a disk larger, as far as its BAT has room. The new part is zeroed before it becomes visible; then the size is
 * changed through the log.
 */
final class VhdxResize {
    private VhdxResize() {}

    static void grow(VhdxImage image, long newSize, DiskContext context) throws DiskException {
        VhdxMetadata metadata = image.metadata();
        BlockAllocationTable before = image.bat();
        Object path = image.file().path();
        if (newSize < metadata.size()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    path + ": " + Options.sizeText(newSize) + " is smaller than the present "
                            + Options.sizeText(metadata.size()) + "; a VHDX disk does not become smaller");
        }
        if (newSize % metadata.logicalSectorSize() != 0 || newSize > VhdxMetadata.MAX_SIZE) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    path + ": size " + newSize + ": expected a multiple of " + metadata.logicalSectorSize() + " up to "
                            + VhdxMetadata.MAX_SIZE);
        }
        BlockAllocationTable after = BlockAllocationTable.of(
                before.offset(), metadata.blockSize(), metadata.logicalSectorSize(), newSize, metadata.hasParent());
        if (after.entries() * BlockAllocationTable.ENTRY_BYTES
                > image.regions().bat().length()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    path + ": its BAT of " + image.regions().bat().length() + " bytes has no room for a disk of "
                            + newSize + " bytes");
        }
        if (newSize == metadata.size()) {
            return;
        }
        refuseIfParentWouldShow(image, context);
        VhdxCheck.refuseDamaged(image, context);
        IoFile file = image.file();
        try (LogWriter log = new LogWriter(file, image.headers(), context.memory())) {
            clearLastBlock(image, context.loop());
            clearNewEntries(image, after, context.loop());
            log.begin();
            MetadataEdit edit = new MetadataEdit(file, image.regions().metadata());
            edit.putLong(metadata.sizeOffset(), newSize);
            edit.apply(log, Alignment.up(file.size(), Layout.MIB));
            log.end();
        } catch (IOException e) {
            throw DiskException.io(path, "resize", e);
        }
    }

    private static void refuseIfParentWouldShow(VhdxImage image, DiskContext context) throws DiskException {
        VhdxMetadata metadata = image.metadata();
        if (!metadata.hasParent()) {
            return;
        }
        try (VirtualDisk parent = VhdxParent.open(image.file().path(), metadata.parentLocator(), context)
                .disk()) {
            if (parent.info().sizeBytes() > metadata.size()) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        image.file().path() + ": its parent is larger, and what is new would show the parent's data");
            }
        }
    }

    /** Zeroes the entries of new blocks and chunks, except that of the last chunk's bitmap, which may be in use. */
    private static void clearNewEntries(VhdxImage image, BlockAllocationTable after, IoLoop loop) throws IOException {
        BlockAllocationTable before = image.bat();
        long last = before.payloadBlocks() - 1;
        long bitmap = before.bitmapIndex(last);
        long from = before.index(last) + 1;
        clearEntries(image, from, Math.min(bitmap, after.entries()), loop);
        clearEntries(image, before.hasParent() ? bitmap + 1 : Math.max(from, bitmap), after.entries(), loop);
    }

    private static void clearEntries(VhdxImage image, long from, long to, IoLoop loop) throws IOException {
        if (from < to) {
            LogContents.zero(
                    image.file(),
                    loop,
                    image.bat().offset() + from * BlockAllocationTable.ENTRY_BYTES,
                    (to - from) * BlockAllocationTable.ENTRY_BYTES);
        }
    }

    /** Zeroes the rest of the last block, which becomes part of the disk. */
    private static void clearLastBlock(VhdxImage image, IoLoop loop) throws DiskException, IOException {
        BlockAllocationTable bat = image.bat();
        long block = bat.payloadBlocks() - 1;
        long entry = image.batEntry(bat.index(block));
        long used = bat.used(block);
        if (used == bat.blockSize() || !bat.isPresent(bat.index(block), entry)) {
            return;
        }
        LogContents.zero(image.file(), loop, BlockAllocationTable.fileOffset(entry) + used, bat.blockSize() - used);
    }
}
