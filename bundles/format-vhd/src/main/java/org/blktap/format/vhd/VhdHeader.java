package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * The dynamic disk header: 1024 bytes, big-endian. Layout: Microsoft's "Virtual Hard Disk Image Format Specification"
 * 1.0, "Dynamic Disk Header Format".
 *
 * @param at bytes from the beginning of the file to the header
 * @param tableOffset bytes from the beginning of the file to the BAT, a multiple of 512
 * @param maxTableEntries entries of the BAT; there may be more than the disk has blocks
 * @param blockSize bytes of a block's data
 * @param parentUuid of a differencing disk; {@link #NO_UUID} for a raw parent (libvhd)
 * @param parentTimestamp when the parent was changed last, in seconds since 2000
 * @param parentName the parent's file name, perhaps with a path
 * @param locators those of the eight that are in use
 */
record VhdHeader(
        long at,
        long tableOffset,
        long maxTableEntries,
        int blockSize,
        UUID parentUuid,
        int parentTimestamp,
        String parentName,
        List<ParentLocator> locators) {
    static final int BYTES = 1024;
    static final UUID NO_UUID = new UUID(0, 0);
    /** The specification has 512 KiB and 2 MiB; much smaller or larger blocks are refused. */
    static final int SMALLEST_BLOCK = 4 << 10;

    static final int LARGEST_BLOCK = 256 << 20;
    static final int USUAL_BLOCK = 2 << 20;
    /** The BAT is held in memory, 64 MiB at most: enough for the largest disk from 128 KiB blocks on. */
    static final long MOST_BLOCKS = 1 << 24;

    private static final long COOKIE = 0x6378737061727365L;
    private static final int VERSION = 0x0001_0000;
    private static final int AT_COOKIE = 0;
    private static final int AT_DATA_OFFSET = 8;
    private static final int AT_TABLE_OFFSET = 16;
    private static final int AT_VERSION = 24;
    private static final int AT_MAX_TABLE_ENTRIES = 28;
    private static final int AT_BLOCK_SIZE = 32;
    private static final int AT_CHECKSUM = 36;
    private static final int AT_PARENT_UUID = 40;
    private static final int AT_PARENT_TIMESTAMP = 56;
    static final int AT_PARENT_NAME = 64;
    private static final int PARENT_NAME_BYTES = 512;
    private static final int AT_LOCATORS = 576;
    private static final int LOCATORS = 8;
    private static final int LOCATOR_BYTES = 24;

    /**
     * Where a name of the parent is.
     *
     * @param code what kind of name it is; see {@link ParentNames}
     * @param space bytes of the file that are set aside for it
     * @param length bytes of the name
     * @param offset bytes from the beginning of the file
     */
    record ParentLocator(int code, long space, long length, long offset) {
        private static final int AT_CODE = 0;
        private static final int AT_SPACE = 4;
        private static final int AT_LENGTH = 8;
        private static final int AT_OFFSET = 16;

        /** Sectors by the specification, bytes as Microsoft and libvhd write it. */
        static ParentLocator read(ByteBuffer b, int at) {
            long space = Integer.toUnsignedLong(b.getInt(at + AT_SPACE));
            return new ParentLocator(
                    b.getInt(at + AT_CODE),
                    space < SECTOR ? space * SECTOR : space,
                    Integer.toUnsignedLong(b.getInt(at + AT_LENGTH)),
                    b.getLong(at + AT_OFFSET));
        }

        private void put(ByteBuffer b, int at) {
            b.putInt(at + AT_CODE, code)
                    .putInt(at + AT_SPACE, (int) space)
                    .putInt(at + AT_LENGTH, (int) length)
                    .putLong(at + AT_OFFSET, offset);
        }

        /** Whether its space is whole sectors inside the first {@code limit} bytes, and the name inside the space. */
        boolean isInside(long limit) {
            return offset >= VhdFooter.BYTES
                    && offset <= limit - space
                    && Alignment.isAligned(space, SECTOR)
                    && length > 0
                    && length <= space;
        }
    }

    /** @param limit how long the file is without its last footer */
    static VhdHeader read(IoFile file, VhdFooter footer, long limit) throws DiskException {
        long at = footer.dataOffset();
        if (at < VhdFooter.BYTES || at > limit - BYTES || !Alignment.isAligned(at, SECTOR)) {
            throw DiskException.corrupt(
                    file.path(),
                    "footer field data_offset",
                    VhdFooter.AT_DATA_OFFSET,
                    Long.toUnsignedString(at),
                    "a multiple of 512 inside the file of " + limit + " bytes");
        }
        ByteBuffer b = ByteBuffer.allocate(BYTES);
        try {
            file.readFully(b, at);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the dynamic disk header", e);
        }
        return parse(b, at, footer.diskBytes(), limit, file.path());
    }

    private static VhdHeader parse(ByteBuffer b, long at, long diskBytes, long limit, Object file)
            throws DiskException {
        if (b.getLong(AT_COOKIE) != COOKIE) {
            throw DiskException.corrupt(
                    file,
                    "header field cookie",
                    at + AT_COOKIE,
                    String.format("0x%016x", b.getLong(AT_COOKIE)),
                    "\"cxsparse\"");
        }
        int checksum = VhdFooter.checksum(b, AT_CHECKSUM);
        if (b.getInt(AT_CHECKSUM) != checksum) {
            throw DiskException.corrupt(
                    file,
                    "header field checksum",
                    at + AT_CHECKSUM,
                    VhdFooter.hex(b.getInt(AT_CHECKSUM)),
                    VhdFooter.hex(checksum));
        }
        if (b.getInt(AT_VERSION) != VERSION) {
            throw DiskException.corrupt(
                    file,
                    "header field header_version",
                    at + AT_VERSION,
                    VhdFooter.hex(b.getInt(AT_VERSION)),
                    VhdFooter.hex(VERSION));
        }
        long blockSize = Integer.toUnsignedLong(b.getInt(AT_BLOCK_SIZE));
        if (Long.bitCount(blockSize) != 1 || blockSize < SMALLEST_BLOCK || blockSize > LARGEST_BLOCK) {
            throw DiskException.corrupt(
                    file,
                    "header field block_size",
                    at + AT_BLOCK_SIZE,
                    blockSize,
                    "a power of two from " + SMALLEST_BLOCK + " to " + LARGEST_BLOCK);
        }
        long blocks = Alignment.units(diskBytes, blockSize);
        long entries = Integer.toUnsignedLong(b.getInt(AT_MAX_TABLE_ENTRIES));
        if (entries < blocks || blocks > MOST_BLOCKS) {
            throw DiskException.corrupt(
                    file,
                    "header field max_table_entries",
                    at + AT_MAX_TABLE_ENTRIES,
                    entries,
                    "one for each of the disk's " + blocks + " blocks, of which there may be " + MOST_BLOCKS);
        }
        long tableOffset = b.getLong(AT_TABLE_OFFSET);
        if (tableOffset < VhdFooter.BYTES
                || !Alignment.isAligned(tableOffset, SECTOR)
                || tableOffset > limit - entries * Bat.ENTRY_BYTES) {
            throw DiskException.corrupt(
                    file,
                    "header field table_offset",
                    at + AT_TABLE_OFFSET,
                    Long.toUnsignedString(tableOffset),
                    "a multiple of 512, with room for " + entries + " entries inside the file of " + limit + " bytes");
        }
        List<ParentLocator> locators = new ArrayList<>();
        for (int i = 0; i < LOCATORS; i++) {
            ParentLocator locator = ParentLocator.read(b, AT_LOCATORS + i * LOCATOR_BYTES);
            if (locator.code() != 0) {
                locators.add(locator);
            }
        }
        byte[] name = new byte[PARENT_NAME_BYTES];
        b.get(AT_PARENT_NAME, name);
        String parentName = Utf16.decode(ByteBuffer.wrap(name), StandardCharsets.UTF_16BE);
        int end = parentName.indexOf('\0');
        return new VhdHeader(
                at,
                tableOffset,
                entries,
                (int) blockSize,
                new UUID(b.getLong(AT_PARENT_UUID), b.getLong(AT_PARENT_UUID + Long.BYTES)),
                b.getInt(AT_PARENT_TIMESTAMP),
                end < 0 ? parentName : parentName.substring(0, end),
                List.copyOf(locators));
    }

    /** Copies it to another place, for another parent. */
    VhdHeader rebased(long elsewhere, VhdMetadata.Parent parent, List<ParentLocator> names) {
        return new VhdHeader(
                elsewhere,
                tableOffset,
                maxTableEntries,
                blockSize,
                parent.uuid(),
                parent.timestamp(),
                parent.name(),
                List.copyOf(names));
    }

    ByteBuffer bytes() {
        ByteBuffer b = ByteBuffer.allocate(BYTES);
        b.putLong(AT_COOKIE, COOKIE)
                .putLong(AT_DATA_OFFSET, VhdFooter.NO_DATA_OFFSET)
                .putLong(AT_TABLE_OFFSET, tableOffset);
        b.putInt(AT_VERSION, VERSION)
                .putInt(AT_MAX_TABLE_ENTRIES, (int) maxTableEntries)
                .putInt(AT_BLOCK_SIZE, blockSize);
        b.putLong(AT_PARENT_UUID, parentUuid.getMostSignificantBits())
                .putLong(AT_PARENT_UUID + Long.BYTES, parentUuid.getLeastSignificantBits());
        b.putInt(AT_PARENT_TIMESTAMP, parentTimestamp);
        byte[] name = parentName.getBytes(StandardCharsets.UTF_16BE);
        b.put(AT_PARENT_NAME, name, 0, Math.min(name.length, PARENT_NAME_BYTES));
        for (int i = 0; i < locators.size(); i++) {
            locators.get(i).put(b, AT_LOCATORS + i * LOCATOR_BYTES);
        }
        return b.putInt(AT_CHECKSUM, VhdFooter.checksum(b, AT_CHECKSUM));
    }

    /** Bytes of the BAT, whole sectors. */
    long tableBytes() {
        return Alignment.up(maxTableEntries * Bat.ENTRY_BYTES, SECTOR);
    }

    /** Bytes of a block's sector bitmap, whole sectors; the data follows it. */
    int bitmapBytes() {
        return bitmapBytes(blockSize);
    }

    static int bitmapBytes(int blockSize) {
        return Alignment.up(blockSize / SECTOR / 8, SECTOR);
    }

    /** Bytes of a block in the file. */
    long blockBytes() {
        return (long) bitmapBytes() + blockSize;
    }

    int blocks(long diskBytes) {
        return (int) Alignment.units(diskBytes, blockSize);
    }
}
