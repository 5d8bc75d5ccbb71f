package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.UUID;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.format.vhdx.Regions.Region;

/** Makes an empty image: headers, log, metadata, BAT and, of a fixed one, all payload blocks, one after the other. */
final class VhdxCreate {
    /** Distance between metadata items, in bytes. */
    private static final int ITEM_SPACE = 32;

    private static final String CREATOR = "blktap";
    private static final long DEFAULT_BLOCK_SIZE = 32 * Layout.MIB;
    static final int DEFAULT_SECTOR_SIZE = Alignment.SECTOR;
    private static final int PHYSICAL_SECTOR_SIZE = Alignment.PAGE;
    private static final int BAT_PIECE = 1 << 20;
    private static final int MOST_LOG_BYTES = (int) LogReader.MOST_BYTES;

    private VhdxCreate() {}

    static void create(Path path, long sizeBytes, TapSpec backing, int defaultSectorSize, DiskContext context)
            throws DiskException {
        Options options = context.options();
        boolean fixed =
                options.oneOf("subformat", "dynamic", "dynamic", "fixed").equals("fixed");
        long blockSize = options.size("block-size", DEFAULT_BLOCK_SIZE);
        long logSize = options.size("log-size", Layout.MIB);
        VhdxParent.Link parent = backing == null ? null : VhdxParent.link(path, backing, context);
        int usualSectorSize = parent == null ? defaultSectorSize : parent.sectorSize();
        int sectorSize =
                Integer.parseInt(options.oneOf("sector-size", Integer.toString(usualSectorSize), "512", "4096"));
        if (parent != null) {
            refuseWhatDiffers(parent, fixed, sectorSize, sizeBytes);
        }
        long size = parent != null && sizeBytes == -1 ? parent.size() : sizeBytes;
        if (Long.bitCount(blockSize) != 1
                || blockSize < VhdxMetadata.MIN_BLOCK_SIZE
                || blockSize > VhdxMetadata.MAX_BLOCK_SIZE) {
            throw Options.bad("block-size", Long.toString(blockSize), "a power of two from 1M to 256M");
        }
        if (logSize < Layout.MIB || logSize % Layout.MIB != 0 || logSize > MOST_LOG_BYTES) {
            throw Options.bad("log-size", Long.toString(logSize), "a multiple of 1M, up to 64M");
        }
        DiskInfo.checkSize(path, size, sectorSize, sectorSize, VhdxMetadata.MAX_SIZE);
        Region log = new Region(Layout.MIB, logSize);
        Region metadata = new Region(log.end(), Layout.MIB);
        BlockAllocationTable bat = BlockAllocationTable.of(metadata.end(), blockSize, sectorSize, size, parent != null);
        Region batRegion =
                new Region(metadata.end(), Alignment.up(bat.entries() * BlockAllocationTable.ENTRY_BYTES, Layout.MIB));
        try (IoFile file = context.createFile(path)) {
            file.truncateNow(batRegion.end() + (fixed ? bat.payloadBlocks() << bat.blockBits() : 0));
            file.writeFully(identifier(), 0);
            file.writeFully(Regions.bytes(batRegion, metadata), Regions.FIRST_OFFSET);
            file.writeFully(Regions.bytes(batRegion, metadata), Regions.SECOND_OFFSET);
            file.writeFully(metadata((int) blockSize, fixed, size, sectorSize, parent), metadata.offset());
            if (fixed) {
                allocateAll(file, bat, batRegion.end());
            }
            HeaderSection.create(
                    file,
                    new VhdxHeader(
                            0,
                            UUID.randomUUID(),
                            UUID.randomUUID(),
                            Layout.NO_GUID,
                            0,
                            VhdxHeader.VERSION,
                            log.length(),
                            log.offset()));
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    private static void refuseWhatDiffers(VhdxParent.Link parent, boolean fixed, int sectorSize, long size)
            throws DiskException {
        if (fixed) {
            throw Options.bad("subformat", "fixed", "dynamic, for an image with a backing file");
        }
        if (sectorSize != parent.sectorSize()) {
            throw Options.bad("sector-size", Integer.toString(sectorSize), parent.sectorSize() + ", as its parent has");
        }
        if (size != -1 && size < parent.size()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "size " + size + ": expected at least the " + parent.size() + " bytes of the backing file");
        }
    }

    /** The file identifier, with the creator in UTF-16 after the signature. [MS-VHDX] section 2.2.1. */
    private static ByteBuffer identifier() {
        ByteBuffer bytes = Layout.allocate((int) VhdxHeader.FIRST_OFFSET);
        bytes.putLong(HeaderSection.AT_IDENTIFIER, HeaderSection.IDENTIFIER)
                .put(HeaderSection.AT_CREATOR, CREATOR.getBytes(StandardCharsets.UTF_16LE));
        return bytes;
    }

    private static ByteBuffer metadata(
            int blockSize, boolean fixed, long size, int sectorSize, VhdxParent.Link parent) {
        ByteBuffer bytes = Layout.allocate(2 * VhdxMetadata.TABLE_BYTES);
        bytes.putLong(VhdxMetadata.AT_SIGNATURE, VhdxMetadata.SIGNATURE);
        int at = item(bytes, VhdxMetadata.FILE_PARAMETERS, VhdxMetadata.FILE_PARAMETERS_BYTES, 0);
        bytes.putInt(at + VhdxMetadata.AT_BLOCK_SIZE, blockSize)
                .putInt(
                        at + VhdxMetadata.AT_FLAGS,
                        fixed ? VhdxMetadata.LEAVE_BLOCKS_ALLOCATED : parent != null ? VhdxMetadata.HAS_PARENT : 0);
        bytes.putLong(item(bytes, VhdxMetadata.VIRTUAL_DISK_SIZE, Long.BYTES, VhdxMetadata.IS_VIRTUAL_DISK), size);
        Layout.putGuid(
                bytes,
                item(bytes, VhdxMetadata.VIRTUAL_DISK_ID, Layout.GUID_BYTES, VhdxMetadata.IS_VIRTUAL_DISK),
                // what a guest sees of a disk stays when its image gets an overlay
                parent == null ? UUID.randomUUID() : parent.virtualDiskId());
        bytes.putInt(
                item(bytes, VhdxMetadata.LOGICAL_SECTOR_SIZE, Integer.BYTES, VhdxMetadata.IS_VIRTUAL_DISK), sectorSize);
        bytes.putInt(
                item(bytes, VhdxMetadata.PHYSICAL_SECTOR_SIZE, Integer.BYTES, VhdxMetadata.IS_VIRTUAL_DISK),
                PHYSICAL_SECTOR_SIZE);
        if (parent != null) {
            ByteBuffer locator = ParentLocator.bytes(parent.locator());
            bytes.put(item(bytes, VhdxMetadata.PARENT_LOCATOR, locator.limit(), 0), locator, 0, locator.limit());
        }
        return bytes;
    }

    /** Adds an entry to the metadata table; returns where its item is. */
    private static int item(ByteBuffer bytes, UUID id, int length, int flags) {
        int number = bytes.getShort(VhdxMetadata.AT_ENTRY_COUNT);
        int entry = VhdxMetadata.HEADER_BYTES + number * VhdxMetadata.ENTRY_BYTES;
        int at = VhdxMetadata.TABLE_BYTES + number * ITEM_SPACE;
        Layout.putGuid(bytes, entry + VhdxMetadata.AT_ITEM_ID, id);
        bytes.putInt(entry + VhdxMetadata.AT_OFFSET, at)
                .putInt(entry + VhdxMetadata.AT_LENGTH, length)
                .putInt(entry + VhdxMetadata.AT_ENTRY_FLAGS, flags | VhdxMetadata.IS_REQUIRED);
        bytes.putShort(VhdxMetadata.AT_ENTRY_COUNT, (short) (number + 1));
        return at;
    }

    private static void allocateAll(IoFile file, BlockAllocationTable bat, long payload) throws IOException {
        ByteBuffer piece = Layout.allocate(BAT_PIECE);
        long at = bat.offset();
        long entries = bat.entries();
        for (long index = 0; index < entries; index++) {
            piece.putLong(
                    bat.isBitmap(index)
                            ? 0
                            : payload + (bat.block(index) << bat.blockBits())
                                    | BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT);
            if (!piece.hasRemaining() || index == entries - 1) {
                int length = piece.position();
                file.writeFully(piece.flip(), at);
                at += length;
                piece.clear();
            }
        }
    }
}
