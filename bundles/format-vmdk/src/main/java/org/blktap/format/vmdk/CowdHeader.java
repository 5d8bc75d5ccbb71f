package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * The header of a COWD extent: 2048 bytes, little-endian; sizes and offsets in sectors. ESXi writes it for snapshots
 * (vmfsSparse); old hosted products wrote it for whole disks. Layout: VMware Virtual Disk Format 5.0, "ESXi Host Sparse
 * Extents", COWDisk_Header.
 *
 * @param freeSector the first sector after all tables and grains
 * @param child whether the header, rather than a descriptor, names a parent
 */
record CowdHeader(
        long numSectors,
        long grainSize,
        long gdOffset,
        long numGdEntries,
        long freeSector,
        boolean child,
        boolean uncleanShutdown) {
    /** "COWD". */
    static final int MAGIC = 0x44574f43;

    static final int BYTES = 2048;
    static final int TABLE_BITS = 12;
    private static final int VERSION = 1;
    private static final int AT_MAGIC = 0;
    private static final int AT_VERSION = 4;
    private static final int AT_FLAGS = 8;
    private static final int AT_NUM_SECTORS = 12;
    private static final int AT_GRAIN_SIZE = 16;
    private static final int AT_GD_OFFSET = 20;
    private static final int AT_NUM_GD_ENTRIES = 24;
    static final int AT_FREE_SECTOR = 28;
    private static final int FLAG_ROOT = 1;
    private static final int AT_PARENT_NAME = 32;
    static final int AT_UNCLEAN = 1648;

    static CowdHeader read(IoFile file) throws DiskException {
        ByteBuffer bytes = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        try {
            file.readFully(bytes, 0);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the header", e);
        }
        return parse(bytes.flip(), file.path());
    }

    /** @param bytes little-endian, 2048 */
    static CowdHeader parse(ByteBuffer bytes, Object file) throws DiskException {
        check(
                bytes.getInt(AT_MAGIC) == MAGIC,
                file,
                "magicNumber",
                AT_MAGIC,
                unsigned(bytes, AT_MAGIC),
                Integer.toUnsignedLong(MAGIC) + " (\"COWD\")");
        if (bytes.getInt(AT_VERSION) != VERSION) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": header field version at offset " + AT_VERSION + ": found " + unsigned(bytes, AT_VERSION)
                            + ", supported is " + VERSION);
        }
        CowdHeader header = new CowdHeader(
                unsigned(bytes, AT_NUM_SECTORS),
                unsigned(bytes, AT_GRAIN_SIZE),
                unsigned(bytes, AT_GD_OFFSET),
                unsigned(bytes, AT_NUM_GD_ENTRIES),
                unsigned(bytes, AT_FREE_SECTOR),
                (bytes.getInt(AT_FLAGS) & FLAG_ROOT) == 0 && bytes.get(AT_PARENT_NAME) != 0,
                bytes.getInt(AT_UNCLEAN) != 0);
        check(header.numSectors >= 1, file, "numSectors", AT_NUM_SECTORS, header.numSectors, "at least 1");
        check(
                GrainLayout.isGrain(header.grainSize),
                file,
                "grainSize",
                AT_GRAIN_SIZE,
                header.grainSize,
                "a power of two from 1 to " + GrainLayout.MAX_GRAIN + " sectors");
        check(
                header.gdOffset * SECTOR >= BYTES,
                file,
                "gdOffset",
                AT_GD_OFFSET,
                header.gdOffset,
                "a sector after the header");
        long needed = Alignment.units(header.numSectors, header.grainSize << TABLE_BITS);
        check(
                header.numGdEntries >= needed,
                file,
                "numGDEntries",
                AT_NUM_GD_ENTRIES,
                header.numGdEntries,
                "at least " + needed + " for the disk's size");
        return header;
    }

    private static long unsigned(ByteBuffer bytes, int at) {
        return Integer.toUnsignedLong(bytes.getInt(at));
    }

    private static void check(boolean right, Object file, String field, long at, long found, String expected)
            throws DiskException {
        if (!right) {
            throw DiskException.corrupt(file, "header field " + field, at, found, expected);
        }
    }

    GrainLayout layout(IoFile file) throws DiskException {
        check(
                gdOffset * SECTOR < file.size(),
                file.path(),
                "gdOffset",
                AT_GD_OFFSET,
                gdOffset,
                "a sector inside the file of " + file.size() + " bytes");
        GrainLayout layout = new GrainLayout(
                numSectors * SECTOR,
                Long.numberOfTrailingZeros(grainSize * SECTOR),
                TABLE_BITS,
                gdOffset * SECTOR,
                0,
                0,
                0,
                false,
                false,
                0,
                AT_FREE_SECTOR,
                uncleanShutdown,
                null);
        long directoryEnd = layout.gdOffset() + layout.directoryBytes();
        return new GrainLayout(
                layout.capacity(),
                layout.grainBits(),
                TABLE_BITS,
                layout.gdOffset(),
                0,
                directoryEnd,
                directoryEnd,
                false,
                false,
                0,
                AT_FREE_SECTOR,
                uncleanShutdown,
                null);
    }
}
