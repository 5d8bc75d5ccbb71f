package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.UUID;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoFile;
import org.blktap.format.vhdx.Regions.Region;

/** Makes an empty image: headers, log, metadata, BAT and, of a fixed one, all payload blocks, one after the other. */
final class VhdxCreate {
    private static final String CREATOR = "blktap";
    private static final long DEFAULT_BLOCK_SIZE = 32 * Layout.MIB;
    static final int DEFAULT_SECTOR_SIZE = 512;
    private static final int PHYSICAL_SECTOR_SIZE = 4096;
    private static final int BAT_PIECE = 1 << 20;
    private static final int MOST_LOG_BYTES = (int) LogReader.MOST_BYTES;

    private VhdxCreate() {
    }

    static void create(Path path, long sizeBytes, TapSpec backing, int defaultSectorSize, DiskContext context) throws DiskException {
        Options options = context.options();
        boolean fixed = options.oneOf("subformat", "dynamic", "dynamic", "fixed").equals("fixed");
        long blockSize = options.size("block-size", DEFAULT_BLOCK_SIZE);
        long logSize = options.size("log-size", Layout.MIB);
        int sectorSize = Integer.parseInt(options.oneOf("sector-size", Integer.toString(defaultSectorSize), "512", "4096"));
        if (backing != null) {
            throw new DiskException(Reason.UNSUPPORTED, path + ": differencing images are only read, not made");
        }
        if (Long.bitCount(blockSize) != 1 || blockSize < Metadata.MIN_BLOCK_SIZE || blockSize > Metadata.MAX_BLOCK_SIZE) {
            throw Options.bad("block-size", Long.toString(blockSize), "a power of two from 1M to 256M");
        }
        if (logSize < Layout.MIB || logSize % Layout.MIB != 0 || logSize > MOST_LOG_BYTES) {
            throw Options.bad("log-size", Long.toString(logSize), "a multiple of 1M, up to 64M");
        }
        if (sizeBytes <= 0 || sizeBytes % sectorSize != 0 || sizeBytes > Metadata.MAX_SIZE) {
            throw new DiskException(Reason.BAD_OPTION, path + ": size " + sizeBytes + ": expected a multiple of " + sectorSize + " up to "
                    + Metadata.MAX_SIZE);
        }
        Region log = new Region(Layout.MIB, logSize);
        Region metadata = new Region(log.end(), Layout.MIB);
        BlockAllocationTable bat = BlockAllocationTable.of(metadata.end(), blockSize, sectorSize, sizeBytes, false);
        Region batRegion = new Region(metadata.end(), bat.entries() * BlockAllocationTable.ENTRY_BYTES + Layout.MIB - 1 & -Layout.MIB);
        try (IoFile file = context.createFile(path)) {
            file.truncateNow(batRegion.end() + (fixed ? bat.payloadBlocks() << bat.blockBits() : 0));
            file.writeFully(identifier(), 0);
            file.writeFully(Regions.bytes(batRegion, metadata), Regions.FIRST_OFFSET);
            file.writeFully(Regions.bytes(batRegion, metadata), Regions.SECOND_OFFSET);
            file.writeFully(metadata((int) blockSize, fixed, sizeBytes, sectorSize), metadata.offset());
            if (fixed) {
                allocateAll(file, bat, batRegion.end());
            }
            Headers.create(file, new VhdxHeader(0, UUID.randomUUID(), UUID.randomUUID(), Layout.NO_GUID, 0, VhdxHeader.VERSION, log.length(),
                    log.offset()));
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    /** Who made the file: UTF-16 after the signature. [MS-VHDX] section 2.2.1. */
    private static ByteBuffer identifier() {
        ByteBuffer bytes = Layout.allocate((int) VhdxHeader.FIRST_OFFSET);
        bytes.putLong(0, Headers.IDENTIFIER).put(8, CREATOR.getBytes(StandardCharsets.UTF_16LE));
        return bytes;
    }

    private static ByteBuffer metadata(int blockSize, boolean fixed, long size, int sectorSize) {
        ByteBuffer bytes = Layout.allocate(2 * Metadata.TABLE_BYTES);
        bytes.putLong(0, Metadata.SIGNATURE);
        int at = item(bytes, Metadata.FILE_PARAMETERS, 8, 0);
        bytes.putInt(at, blockSize).putInt(at + 4, fixed ? Metadata.LEAVE_BLOCKS_ALLOCATED : 0);
        bytes.putLong(item(bytes, Metadata.VIRTUAL_DISK_SIZE, 8, Metadata.IS_VIRTUAL_DISK), size);
        Layout.putGuid(bytes, item(bytes, Metadata.VIRTUAL_DISK_ID, 16, Metadata.IS_VIRTUAL_DISK), UUID.randomUUID());
        bytes.putInt(item(bytes, Metadata.LOGICAL_SECTOR_SIZE, 4, Metadata.IS_VIRTUAL_DISK), sectorSize);
        bytes.putInt(item(bytes, Metadata.PHYSICAL_SECTOR_SIZE, 4, Metadata.IS_VIRTUAL_DISK), PHYSICAL_SECTOR_SIZE);
        return bytes;
    }

    /** Adds an entry to the metadata table; returns where its item is, each 32 bytes after the one before. */
    private static int item(ByteBuffer bytes, UUID id, int length, int flags) {
        int number = bytes.getShort(10);
        int entry = 32 + number * Metadata.ENTRY_BYTES;
        int at = Metadata.TABLE_BYTES + number * 32;
        Layout.putGuid(bytes, entry, id);
        bytes.putInt(entry + 16, at).putInt(entry + 20, length).putInt(entry + 24, flags | Metadata.IS_REQUIRED);
        bytes.putShort(10, (short) (number + 1));
        return at;
    }

    private static void allocateAll(IoFile file, BlockAllocationTable bat, long payload) throws IOException {
        ByteBuffer piece = Layout.allocate(BAT_PIECE);
        long at = bat.offset();
        long entries = bat.entries();
        for (long index = 0; index < entries; index++) {
            piece.putLong(bat.isBitmap(index) ? 0
                    : payload + (bat.block(index) << bat.blockBits()) | BlockAllocationTable.PAYLOAD_BLOCK_FULLY_PRESENT);
            if (!piece.hasRemaining() || index == entries - 1) {
                int length = piece.position();
                file.writeFully(piece.flip(), at);
                at += length;
                piece.clear();
            }
        }
    }
}
