package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;

/**
 * The items of the metadata region of an image. [MS-VHDX] section 2.6.
 *
 * @param blockSize bytes of a payload block: a power of two from 1 MiB to 256 MiB
 * @param leaveBlocksAllocated a fixed image
 * @param hasParent a differencing image
 * @param parametersOffset bytes from the beginning of the file to the item File Parameters
 * @param size bytes of the disk
 * @param sizeOffset bytes from the beginning of the file to the size field
 * @param virtualDiskId identity of the disk that a guest may see
 * @param logicalSectorSize bytes: 512 or 4096
 * @param physicalSectorSize bytes: 512 or 4096
 * @param parentLocator how the parent is found; null without one
 * @param commit the mark that a commit has left; null without one
 */
record VhdxMetadata(
        int blockSize,
        boolean leaveBlocksAllocated,
        boolean hasParent,
        long parametersOffset,
        long size,
        long sizeOffset,
        UUID virtualDiskId,
        int logicalSectorSize,
        int physicalSectorSize,
        Map<String, String> parentLocator,
        CommitMark commit) {
    /** "metadata". */
    static final long SIGNATURE = 0x617461646174656dL;

    static final int TABLE_BYTES = 64 << 10;
    static final int AT_SIGNATURE = 0;
    static final int AT_ENTRY_COUNT = 10;
    static final int HEADER_BYTES = 32;
    // an entry of the table
    static final int AT_ITEM_ID = 0;
    static final int AT_OFFSET = 16;
    static final int AT_LENGTH = 20;
    static final int AT_ENTRY_FLAGS = 24;
    static final int ENTRY_BYTES = 32;
    // the item File Parameters
    static final int AT_BLOCK_SIZE = 0;
    static final int AT_FLAGS = 4;
    static final int FILE_PARAMETERS_BYTES = 8;
    static final UUID FILE_PARAMETERS = UUID.fromString("caa16737-fa36-4d43-b3b6-33f0aa44e76b");
    static final UUID VIRTUAL_DISK_SIZE = UUID.fromString("2fa54224-cd1b-4876-b211-5dbed83bf4b8");
    static final UUID VIRTUAL_DISK_ID = UUID.fromString("beca12ab-b2e6-4523-93ef-c309e000c746");
    static final UUID LOGICAL_SECTOR_SIZE = UUID.fromString("8141bf1d-a96f-4709-ba47-f233a8faab5f");
    static final UUID PHYSICAL_SECTOR_SIZE = UUID.fromString("cda348c7-445d-4471-9cc9-e9885251c556");
    static final UUID PARENT_LOCATOR = UUID.fromString("a8d35f2d-b30b-454d-abf7-d3d84834ab0c");
    static final int IS_USER = 1;
    static final int IS_VIRTUAL_DISK = 2;
    static final int IS_REQUIRED = 4;
    static final int LEAVE_BLOCKS_ALLOCATED = 1;
    static final int HAS_PARENT = 2;
    static final long MIN_BLOCK_SIZE = Layout.MIB;
    static final long MAX_BLOCK_SIZE = 256 * Layout.MIB;
    static final long MAX_SIZE = 64L << 40;
    private static final int MOST_ENTRIES = 2047;
    private static final int MOST_ITEM_BYTES = 1 << 20;

    /** Offset and length of an item in the file, in bytes. */
    private record Item(long offset, int length) {}

    static VhdxMetadata read(IoFile file, Regions.Region region) throws DiskException {
        Map<UUID, Item> items = items(file, region);
        ByteBuffer parameters = item(file, items, FILE_PARAMETERS, "File Parameters", FILE_PARAMETERS_BYTES);
        long blockSize = Integer.toUnsignedLong(parameters.getInt(AT_BLOCK_SIZE));
        int flags = parameters.getInt(AT_FLAGS);
        if (Long.bitCount(blockSize) != 1 || blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE) {
            throw DiskException.corrupt(
                    file.path(),
                    "metadata item File Parameters, BlockSize",
                    items.get(FILE_PARAMETERS).offset(),
                    blockSize,
                    "a power of two from " + MIN_BLOCK_SIZE + " to " + MAX_BLOCK_SIZE);
        }
        int logical = sectorSize(file, items, LOGICAL_SECTOR_SIZE, "Logical Sector Size");
        int physical = sectorSize(file, items, PHYSICAL_SECTOR_SIZE, "Physical Sector Size");
        long size = item(file, items, VIRTUAL_DISK_SIZE, "Virtual Disk Size", Long.BYTES)
                .getLong(0);
        long sizeOffset = items.get(VIRTUAL_DISK_SIZE).offset();
        if (size <= 0 || size > MAX_SIZE || size % logical != 0) {
            throw DiskException.corrupt(
                    file.path(),
                    "metadata item Virtual Disk Size",
                    sizeOffset,
                    Long.toUnsignedString(size),
                    "a multiple of " + logical + " up to " + MAX_SIZE);
        }
        UUID id = Layout.guid(item(file, items, VIRTUAL_DISK_ID, "Virtual Disk ID", Layout.GUID_BYTES), 0);
        boolean hasParent = (flags & HAS_PARENT) != 0;
        Map<String, String> locator = hasParent ? locator(file, items) : null;
        return new VhdxMetadata(
                (int) blockSize,
                (flags & LEAVE_BLOCKS_ALLOCATED) != 0,
                hasParent,
                items.get(FILE_PARAMETERS).offset(),
                size,
                sizeOffset,
                id,
                logical,
                physical,
                locator,
                commit(file, items));
    }

    private static CommitMark commit(IoFile file, Map<UUID, Item> items) throws DiskException {
        return items.containsKey(CommitMark.ITEM)
                ? CommitMark.parse(item(file, items, CommitMark.ITEM, "commit mark", 0))
                : null;
    }

    private static Map<UUID, Item> items(IoFile file, Regions.Region region) throws DiskException {
        long at = region.offset();
        ByteBuffer table = Layout.read(file, "metadata table", at, TABLE_BYTES);
        if (table.getLong(AT_SIGNATURE) != SIGNATURE) {
            throw DiskException.corrupt(
                    file.path(),
                    "metadata table field Signature",
                    at,
                    Layout.hex(table.getLong(AT_SIGNATURE)),
                    Layout.hex(SIGNATURE) + " (\"metadata\")");
        }
        int count = Short.toUnsignedInt(table.getShort(AT_ENTRY_COUNT));
        if (count > MOST_ENTRIES) {
            throw DiskException.corrupt(
                    file.path(), "metadata table field EntryCount", at + AT_ENTRY_COUNT, count, "0 to " + MOST_ENTRIES);
        }
        Map<UUID, Item> items = new HashMap<>();
        for (int i = 0; i < count; i++) {
            int entry = HEADER_BYTES + i * ENTRY_BYTES;
            UUID id = Layout.guid(table, entry + AT_ITEM_ID);
            long offset = Integer.toUnsignedLong(table.getInt(entry + AT_OFFSET));
            long length = Integer.toUnsignedLong(table.getInt(entry + AT_LENGTH));
            int flags = table.getInt(entry + AT_ENTRY_FLAGS);
            if (length > MOST_ITEM_BYTES || offset + length > region.length() || length > 0 && offset < TABLE_BYTES) {
                throw DiskException.corrupt(
                        file.path(),
                        "metadata table entry " + i,
                        at + entry + AT_OFFSET,
                        offset + " and " + length + " bytes",
                        "an item of up to " + MOST_ITEM_BYTES + " bytes, from " + TABLE_BYTES + " to "
                                + region.length());
            }
            boolean known = (flags & IS_USER) == 0 ? isKnown(id) : id.equals(CommitMark.ITEM);
            if (!known && (flags & IS_REQUIRED) != 0) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        file.path() + ": needs the metadata item " + id + ", which is not supported");
            }
            if (known && items.put(id, new Item(at + offset, (int) length)) != null) {
                throw DiskException.corrupt(
                        file.path(), "metadata table entry " + i, at + entry, id, "an id that no other entry has");
            }
        }
        return items;
    }

    private static boolean isKnown(UUID id) {
        return id.equals(FILE_PARAMETERS)
                || id.equals(VIRTUAL_DISK_SIZE)
                || id.equals(VIRTUAL_DISK_ID)
                || id.equals(LOGICAL_SECTOR_SIZE)
                || id.equals(PHYSICAL_SECTOR_SIZE)
                || id.equals(PARENT_LOCATOR);
    }

    private static ByteBuffer item(IoFile file, Map<UUID, Item> items, UUID id, String name, int least)
            throws DiskException {
        Item item = items.get(id);
        if (item == null || item.length() < least) {
            throw DiskException.corrupt(
                    file.path(),
                    "metadata item " + name,
                    item == null ? 0 : item.offset(),
                    item == null ? "none" : item.length() + " bytes",
                    least + " bytes");
        }
        return Layout.read(file, "metadata item " + name, item.offset(), item.length());
    }

    private static int sectorSize(IoFile file, Map<UUID, Item> items, UUID id, String name) throws DiskException {
        int size = item(file, items, id, name, Integer.BYTES).getInt(0);
        if (size != 512 && size != 4096) {
            throw DiskException.corrupt(
                    file.path(),
                    "metadata item " + name,
                    items.get(id).offset(),
                    Integer.toUnsignedString(size),
                    "512 or 4096");
        }
        return size;
    }

    private static Map<String, String> locator(IoFile file, Map<UUID, Item> items) throws DiskException {
        ByteBuffer bytes = item(file, items, PARENT_LOCATOR, "Parent Locator", ParentLocator.HEADER_BYTES);
        return ParentLocator.parse(bytes, file.path(), items.get(PARENT_LOCATOR).offset());
    }
}
