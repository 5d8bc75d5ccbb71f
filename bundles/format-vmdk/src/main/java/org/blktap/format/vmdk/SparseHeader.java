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
 * The header of a hosted sparse extent: 512 bytes, little-endian; sizes and offsets in sectors. Layout: VMware Virtual
 * Disk Format 5.0, "Hosted Sparse Extents", SparseExtentHeader; limits of QEMU block/vmdk.c.
 *
 * @param capacity sectors of the disk
 * @param grainSize sectors
 * @param overHead sectors before the first grain
 */
record SparseHeader(
        int version,
        int flags,
        long capacity,
        long grainSize,
        long descriptorOffset,
        long descriptorSize,
        long rgdOffset,
        long gdOffset,
        long overHead,
        boolean uncleanShutdown,
        int compressAlgorithm) {
    /** "KDMV". */
    static final int MAGIC = 0x564d444b;

    static final int BYTES = 512;
    static final int FLAG_NEWLINE_TEST = 1;
    static final int FLAG_REDUNDANT = 1 << 1;
    static final int FLAG_ZEROED_GRAIN = 1 << 2;
    static final int FLAG_COMPRESSED = 1 << 16;
    static final int FLAG_MARKERS = 1 << 17;
    private static final int KNOWN_FLAGS =
            FLAG_NEWLINE_TEST | FLAG_REDUNDANT | FLAG_ZEROED_GRAIN | FLAG_COMPRESSED | FLAG_MARKERS;
    static final int DEFLATE = 1;
    /** Value of gdOffset that refers to the footer. */
    static final long GD_AT_END = -1;

    static final int NUM_GTES_PER_GT = 512;
    static final int TABLE_BITS = 9;
    /**
     * A marker's fields: the first sector of the disk that a grain holds, or a number of sectors; the size of the
     * grain's stream; without one, the type.
     */
    static final int AT_MARKER_VALUE = 0;

    static final int AT_MARKER_SIZE = 8;
    private static final int AT_MARKER_TYPE = 12;
    /** Bytes of a compressed grain's marker. */
    static final int GRAIN_MARKER = 12;

    static final int MARKER_EOS = 0;
    static final int MARKER_GT = 1;
    static final int MARKER_GD = 2;
    static final int MARKER_FOOTER = 3;
    /** '\n', ' ', '\r', '\n': a transfer in text mode would change them. */
    private static final int CHECK_BYTES = 0x0a0d200a;

    private static final int AT_MAGIC = 0;
    private static final int AT_VERSION = 4;
    private static final int AT_FLAGS = 8;
    static final int AT_CAPACITY = 12;
    private static final int AT_GRAIN_SIZE = 20;
    static final int AT_DESCRIPTOR_OFFSET = 28;
    private static final int AT_DESCRIPTOR_SIZE = 36;
    private static final int AT_GTES_PER_GT = 44;
    static final int AT_RGD_OFFSET = 48;
    static final int AT_GD_OFFSET = 56;
    private static final int AT_OVERHEAD = 64;
    static final int AT_UNCLEAN = 72;
    private static final int AT_CHECK_BYTES = 73;
    private static final int AT_COMPRESS_ALGORITHM = 77;

    static SparseHeader read(IoFile file) throws DiskException {
        SparseHeader header = parse(sector(file, 0, "read the header"), file.path(), 0);
        return header.gdOffset == GD_AT_END ? footer(file) : header;
    }

    static ByteBuffer sector(IoFile file, long offset, String doing) throws DiskException {
        ByteBuffer bytes = ByteBuffer.allocate(SECTOR).order(ByteOrder.LITTLE_ENDIAN);
        try {
            file.readFully(bytes, offset);
        } catch (IOException e) {
            throw DiskException.io(file.path(), doing, e);
        }
        return bytes.flip();
    }

    /** The footer is a header that a stream's writer wrote last: footer marker, footer, end-of-stream marker. */
    private static SparseHeader footer(IoFile file) throws DiskException {
        long at = Alignment.down(file.size(), SECTOR) - 3 * SECTOR;
        if (at < SECTOR) {
            throw DiskException.corrupt(
                    file.path(),
                    "footer",
                    Math.max(at, 0),
                    "a file of " + file.size() + " bytes",
                    "a footer at its end");
        }
        marker(file, at, MARKER_FOOTER, "footer marker");
        marker(file, at + 2 * SECTOR, MARKER_EOS, "end-of-stream marker");
        SparseHeader footer = parse(sector(file, at + SECTOR, "read the footer"), file.path(), at + SECTOR);
        if (footer.gdOffset == GD_AT_END) {
            throw DiskException.corrupt(
                    file.path(),
                    "footer field gdOffset",
                    at + SECTOR + AT_GD_OFFSET,
                    "-1",
                    "the grain directory's sector");
        }
        return footer;
    }

    private static void marker(IoFile file, long at, int type, String name) throws DiskException {
        ByteBuffer marker = sector(file, at, "read the " + name);
        if (marker.getInt(AT_MARKER_SIZE) != 0 || marker.getInt(AT_MARKER_TYPE) != type) {
            throw DiskException.corrupt(
                    file.path(),
                    name,
                    at,
                    "size " + marker.getInt(AT_MARKER_SIZE) + ", type " + marker.getInt(AT_MARKER_TYPE),
                    "size 0, type " + type);
        }
    }

    /** @param bytes little-endian, 512 */
    static SparseHeader parse(ByteBuffer bytes, Object file, long at) throws DiskException {
        if (bytes.getInt(AT_MAGIC) != MAGIC) {
            throw DiskException.corrupt(
                    file,
                    "header field magicNumber",
                    at,
                    String.format("0x%08x", bytes.getInt(AT_MAGIC)),
                    String.format("0x%08x (\"KDMV\")", MAGIC));
        }
        SparseHeader header = new SparseHeader(
                bytes.getInt(AT_VERSION),
                bytes.getInt(AT_FLAGS),
                bytes.getLong(AT_CAPACITY),
                bytes.getLong(AT_GRAIN_SIZE),
                bytes.getLong(AT_DESCRIPTOR_OFFSET),
                bytes.getLong(AT_DESCRIPTOR_SIZE),
                bytes.getLong(AT_RGD_OFFSET),
                bytes.getLong(AT_GD_OFFSET),
                bytes.getLong(AT_OVERHEAD),
                bytes.get(AT_UNCLEAN) != 0,
                bytes.getChar(AT_COMPRESS_ALGORITHM));
        check(header.version != 0, file, "version", at + AT_VERSION, 0, "1 to 3");
        if (header.version < 1 || header.version > 3) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": header field version at offset " + (at + AT_VERSION) + ": found "
                            + Integer.toUnsignedString(header.version) + ", supported are 1 to 3");
        }
        if ((header.flags & FLAG_NEWLINE_TEST) != 0 && bytes.getInt(AT_CHECK_BYTES) != CHECK_BYTES) {
            throw DiskException.corrupt(
                    file,
                    "header newline check bytes",
                    at + AT_CHECK_BYTES,
                    String.format("0x%08x", bytes.getInt(AT_CHECK_BYTES)),
                    String.format("0x%08x; it was transferred as text", CHECK_BYTES));
        }
        if ((header.flags & ~KNOWN_FLAGS) != 0) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": header field flags at offset " + (at + AT_FLAGS) + ": found "
                            + String.format("0x%x, known are 0x%x", header.flags, KNOWN_FLAGS));
        }
        if (header.capacity == 0 && header.descriptorOffset != 0) {
            // holds a descriptor and nothing else
            header.checkDescriptor(file, at);
            return header;
        }
        long largest = GrainLayout.LARGEST_FILE / SECTOR * GrainLayout.MAX_GRAIN;
        check(
                header.capacity >= 1 && header.capacity <= largest,
                file,
                "capacity",
                at + AT_CAPACITY,
                header.capacity,
                "1 to " + largest + " sectors");
        check(
                GrainLayout.isGrain(header.grainSize),
                file,
                "grainSize",
                at + AT_GRAIN_SIZE,
                header.grainSize,
                "a power of two from 1 to " + GrainLayout.MAX_GRAIN + " sectors");
        check(
                bytes.getInt(AT_GTES_PER_GT) == NUM_GTES_PER_GT,
                file,
                "numGTEsPerGT",
                at + AT_GTES_PER_GT,
                Integer.toUnsignedLong(bytes.getInt(AT_GTES_PER_GT)),
                NUM_GTES_PER_GT);
        check(
                header.gdOffset == GD_AT_END || inFile(header.gdOffset),
                file,
                "gdOffset",
                at + AT_GD_OFFSET,
                header.gdOffset,
                "a sector after the header");
        check(
                !header.redundant() || inFile(header.rgdOffset),
                file,
                "rgdOffset",
                at + AT_RGD_OFFSET,
                header.rgdOffset,
                "a sector after the header");
        check(
                header.overHead >= 0 && header.overHead < 1L << 32,
                file,
                "overHead",
                at + AT_OVERHEAD,
                header.overHead,
                "less than 2^32 sectors");
        check(
                header.compressAlgorithm <= DEFLATE,
                file,
                "compressAlgorithm",
                at + AT_COMPRESS_ALGORITHM,
                header.compressAlgorithm,
                "0, or 1 (deflate)");
        header.checkDescriptor(file, at);
        return header;
    }

    private void checkDescriptor(Object file, long at) throws DiskException {
        check(
                descriptorOffset == 0 || inFile(descriptorOffset),
                file,
                "descriptorOffset",
                at + AT_DESCRIPTOR_OFFSET,
                descriptorOffset,
                "0, or a sector after the header");
        check(
                descriptorOffset == 0 || descriptorSize >= 1 && descriptorSize <= Descriptor.MAX_BYTES / SECTOR,
                file,
                "descriptorSize",
                at + AT_DESCRIPTOR_SIZE,
                descriptorSize,
                "1 to " + Descriptor.MAX_BYTES / SECTOR + " sectors");
    }

    private static boolean inFile(long sector) {
        return sector >= 1 && sector < 1L << 32;
    }

    private static void check(boolean right, Object file, String field, long at, long found, Object expected)
            throws DiskException {
        if (!right) {
            throw DiskException.corrupt(file, "header field " + field, at, Long.toUnsignedString(found), expected);
        }
    }

    boolean redundant() {
        return (flags & FLAG_REDUNDANT) != 0 && rgdOffset != 0;
    }

    boolean compressed() {
        return (flags & FLAG_COMPRESSED) != 0 || compressAlgorithm == DEFLATE;
    }

    long descriptorEnd() {
        return descriptorOffset == 0 ? BYTES : (descriptorOffset + descriptorSize) * SECTOR;
    }

    /** Whether a structure is in its usual place; a change of the disk may have moved it to the end of the file. */
    private boolean isBeforeGrains(long sector) {
        return overHead == 0 || sector < overHead;
    }

    /** Copies it for a disk of another size. */
    SparseHeader withCapacity(long sectors) {
        return new SparseHeader(
                version,
                flags,
                sectors,
                grainSize,
                descriptorOffset,
                descriptorSize,
                rgdOffset,
                gdOffset,
                overHead,
                uncleanShutdown,
                compressAlgorithm);
    }

    /** Checks what depends on the file's size. */
    GrainLayout layout(IoFile file) throws DiskException {
        boolean compressed = compressed();
        String onlyRead = compressed
                ? "is streamOptimized, whose compressed grains are not rewritten"
                : version == 3 ? "is of version 3, whose changes VMware tracks in another file" : null;
        GrainLayout layout = new GrainLayout(
                capacity * SECTOR,
                Long.numberOfTrailingZeros(grainSize * SECTOR),
                TABLE_BITS,
                gdOffset * SECTOR,
                redundant() && !compressed ? rgdOffset * SECTOR : 0,
                BYTES,
                BYTES,
                (flags & FLAG_ZEROED_GRAIN) != 0,
                compressed,
                compressed && (flags & FLAG_MARKERS) != 0 ? GRAIN_MARKER : 0,
                0,
                uncleanShutdown,
                onlyRead);
        long directory = layout.directoryBytes();
        check(
                gdOffset * SECTOR < file.size(),
                file.path(),
                "gdOffset",
                AT_GD_OFFSET,
                gdOffset,
                "a sector inside the file of " + file.size() + " bytes");
        check(
                layout.rgdOffset() < file.size(),
                file.path(),
                "rgdOffset",
                AT_RGD_OFFSET,
                rgdOffset,
                "a sector inside the file of " + file.size() + " bytes");
        check(
                layout.rgdOffset() == 0 || Math.abs(layout.rgdOffset() - layout.gdOffset()) >= directory,
                file.path(),
                "rgdOffset",
                AT_RGD_OFFSET,
                rgdOffset,
                "a sector after or before the grain directory");
        if (compressed) {
            return layout;
        }
        check(
                overHead * SECTOR <= file.size(),
                file.path(),
                "overHead",
                AT_OVERHEAD,
                overHead,
                "at most the " + file.size() / SECTOR + " sectors of the file");
        long firstGrain = Math.max(
                Math.max(overHead * SECTOR, isBeforeGrains(descriptorOffset) ? descriptorEnd() : BYTES),
                Math.max(
                        isBeforeGrains(gdOffset) ? layout.gdOffset() + directory : 0,
                        layout.rgdOffset() != 0 && isBeforeGrains(rgdOffset) ? layout.rgdOffset() + directory : 0));
        return new GrainLayout(
                layout.capacity(),
                layout.grainBits(),
                TABLE_BITS,
                layout.gdOffset(),
                layout.rgdOffset(),
                BYTES,
                firstGrain,
                layout.zeroedGrains(),
                false,
                0,
                0,
                uncleanShutdown,
                onlyRead);
    }

    ByteBuffer bytes() {
        ByteBuffer bytes = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(AT_MAGIC, MAGIC)
                .putInt(AT_VERSION, version)
                .putInt(AT_FLAGS, flags)
                .putLong(AT_CAPACITY, capacity)
                .putLong(AT_GRAIN_SIZE, grainSize);
        bytes.putLong(AT_DESCRIPTOR_OFFSET, descriptorOffset)
                .putLong(AT_DESCRIPTOR_SIZE, descriptorSize)
                .putInt(AT_GTES_PER_GT, NUM_GTES_PER_GT);
        bytes.putLong(AT_RGD_OFFSET, rgdOffset).putLong(AT_GD_OFFSET, gdOffset).putLong(AT_OVERHEAD, overHead);
        bytes.put(AT_UNCLEAN, (byte) (uncleanShutdown ? 1 : 0)).putInt(AT_CHECK_BYTES, CHECK_BYTES);
        return bytes.putChar(AT_COMPRESS_ALGORITHM, (char) compressAlgorithm);
    }
}
