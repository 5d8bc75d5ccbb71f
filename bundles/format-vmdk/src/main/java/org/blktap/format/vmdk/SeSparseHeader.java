package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * The constant header of a seSparse extent, which vSphere writes for snapshots on VMFS-6: 512 bytes, little-endian;
 * offsets and sizes in sectors. VMware has not published it; source: QEMU block/vmdk.c, VMDKSESparseConstHeader.
 *
 * @param capacity sectors of the disk
 * @param directoryOffset of the grain directory
 * @param directoryEntries of 8 bytes
 * @param tablesOffset of the first grain table
 * @param grainsOffset of the first grain
 */
record SeSparseHeader(
        long capacity, long directoryOffset, long directoryEntries, long tablesOffset, long grainsOffset) {
    static final long MAGIC = 0x00000000cafebabeL;
    private static final long VOLATILE_MAGIC = 0x00000000cafecafeL;
    private static final long VERSION = 0x0000000200000001L;
    /** Sectors. */
    private static final long GRAIN_SIZE = 8;
    /** Sectors. */
    private static final long TABLE_SIZE = 64;

    private static final int AT_MAGIC = 0;
    private static final int AT_VERSION = 8;
    private static final int AT_CAPACITY = 16;
    private static final int AT_GRAIN_SIZE = 24;
    private static final int AT_TABLE_SIZE = 32;
    private static final int AT_FLAGS = 40;
    private static final int AT_VOLATILE_HEADER = 80;
    private static final int AT_DIRECTORY = 128;
    private static final int AT_DIRECTORY_SIZE = 136;
    private static final int AT_TABLES = 144;
    private static final int AT_GRAINS = 192;
    /** Offset in the volatile header. */
    private static final int AT_REPLAY_JOURNAL = 24;
    /** Bytes of an entry of a grain directory or a grain table. */
    static final int ENTRY_BYTES = 8;

    static final int GRAIN_BITS = 12;
    static final int TABLE_BITS = 12;
    static final int TABLE_BYTES = ENTRY_BYTES << TABLE_BITS;
    private static final long MAX_SECTOR = 1L << 40;
    /** Just under 64 TiB, in sectors. */
    private static final long MAX_CAPACITY = 1L << 37;

    static SeSparseHeader read(IoFile file) throws DiskException {
        ByteBuffer bytes = SparseHeader.sector(file, 0, "read the header");
        Object name = file.path();
        check(bytes.getLong(AT_MAGIC) == MAGIC, name, "magic", AT_MAGIC, bytes.getLong(AT_MAGIC), hex(MAGIC));
        same(bytes, name, "version", AT_VERSION, VERSION);
        same(bytes, name, "grain_size", AT_GRAIN_SIZE, GRAIN_SIZE);
        same(bytes, name, "grain_table_size", AT_TABLE_SIZE, TABLE_SIZE);
        same(bytes, name, "flags", AT_FLAGS, 0);
        long capacity = bytes.getLong(AT_CAPACITY);
        check(
                capacity >= 1 && capacity <= MAX_CAPACITY,
                name,
                "capacity",
                AT_CAPACITY,
                capacity,
                "1 to " + MAX_CAPACITY + " sectors");
        long entries = (capacity + (1L << 24 - 9) - 1) >> 24 - 9;
        long size = bytes.getLong(AT_DIRECTORY_SIZE);
        check(
                size >= Alignment.units(entries * ENTRY_BYTES, SECTOR) && size < 1 << 24,
                name,
                "grain_dir_size",
                AT_DIRECTORY_SIZE,
                size,
                "the sectors of " + entries + " entries");
        long volatileAt = sector(bytes, name, file, "volatile_header_offset", AT_VOLATILE_HEADER);
        ByteBuffer other = SparseHeader.sector(file, volatileAt * SECTOR, "read the volatile header");
        check(
                other.getLong(AT_MAGIC) == VOLATILE_MAGIC,
                name,
                "magic of the volatile header",
                volatileAt * SECTOR,
                other.getLong(AT_MAGIC),
                hex(VOLATILE_MAGIC));
        if (other.getLong(AT_REPLAY_JOURNAL) != 0) {
            throw new DiskException(
                    Reason.UNSUPPORTED, name + ": its journal has to be replayed first: open it with VMware's tools");
        }
        return new SeSparseHeader(
                capacity,
                sector(bytes, name, file, "grain_dir_offset", AT_DIRECTORY),
                entries,
                sector(bytes, name, file, "grain_tables_offset", AT_TABLES),
                sector(bytes, name, null, "grains_offset", AT_GRAINS));
    }

    private static void same(ByteBuffer bytes, Object file, String field, int at, long expected) throws DiskException {
        if (bytes.getLong(at) != expected) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": header field " + field + " at offset " + at + ": found " + hex(bytes.getLong(at))
                            + ", supported is " + hex(expected));
        }
    }

    private static long sector(ByteBuffer bytes, Object name, IoFile file, String field, int at) throws DiskException {
        long sector = bytes.getLong(at);
        check(
                sector >= 1 && sector < MAX_SECTOR && (file == null || sector * SECTOR < file.size()),
                name,
                field,
                at,
                sector,
                "a sector inside the file");
        return sector;
    }

    private static void check(boolean right, Object file, String field, long at, long found, String expected)
            throws DiskException {
        if (!right) {
            throw DiskException.corrupt(file, "header field " + field, at, hex(found), expected);
        }
    }

    private static String hex(long value) {
        return String.format("0x%x", value);
    }
}
