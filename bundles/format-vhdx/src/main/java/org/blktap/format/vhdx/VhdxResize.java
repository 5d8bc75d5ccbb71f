package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
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
        if (metadata.hasParent()) {
            throw new DiskException(Reason.UNSUPPORTED, path + ": is a differencing image, which is only read");
        }
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
                before.offset(), metadata.blockSize(), metadata.logicalSectorSize(), newSize, false);
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
        List<String> problems =
                new VhdxCheck(image, false, context.loop()).run().problems();
        if (!problems.isEmpty()) {
            throw new DiskException(Reason.CORRUPT, path + ": is not resized as it is damaged: " + problems.get(0));
        }
        IoFile file = image.file();
        try (LogWriter log = new LogWriter(file, image.headers(), context.memory())) {
            clearLastBlock(image, context.loop());
            long from = before.offset() + before.entries() * BlockAllocationTable.ENTRY_BYTES;
            long more = (after.entries() - before.entries()) * BlockAllocationTable.ENTRY_BYTES;
            if (more > 0) {
                LogContents.zero(file, context.loop(), from, more);
            }
            log.begin();
            writeSize(file, metadata.sizeOffset(), newSize, log);
            log.end();
        } catch (IOException e) {
            throw DiskException.io(path, "resize", e);
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

    private static void writeSize(IoFile file, long at, long size, LogWriter log) throws IOException {
        long from = Alignment.down(at, Layout.SECTOR);
        int length = (int) (Alignment.up(at + Long.BYTES, Layout.SECTOR) - from);
        ByteBuffer sectors = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        file.readFully(sectors, from);
        sectors.flip().putLong((int) (at - from), size);
        log.writeNow(from, sectors, Alignment.up(file.size(), Layout.MIB));
    }
}
