package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.memory.Alignment;

/**
 * The hard disk footer: 512 bytes, big-endian, at the end of every image; dynamic and differencing ones have a copy at
 * offset 0. Layout: Microsoft's "Virtual Hard Disk Image Format Specification" 1.0, "Hard Disk Footer Format". What
 * others have put into fields that are not named here is kept.
 */
final class VhdFooter {
    static final int BYTES = 512;
    /** "conectix". */
    static final long COOKIE = 0x636f6e6563746978L;
    /** "v_poison", libvhd's mark of an image that is not to be opened. */
    private static final long POISON_COOKIE = 0x765f706f69736f6eL;

    static final int FIXED = 2;
    static final int DYNAMIC = 3;
    static final int DIFFERENCING = 4;
    static final long NO_DATA_OFFSET = -1;
    /** Largest disk of QEMU and XenServer; a block's sector number has 32 bits. */
    static final long LARGEST_DISK = 2040L << 30;
    /** 2000-01-01 00:00 UTC, in seconds of Unix. */
    static final long EPOCH = 946_684_800;
    /** Creator versions of libvhd: 1.1 may have a batmap, 1.2 and later have one. */
    static final int TAP_1_1 = 0x0001_0001;

    static final int TAP_1_3 = 0x0001_0003;

    private static final int AT_COOKIE = 0;
    private static final int AT_FEATURES = 8;
    private static final int AT_VERSION = 12;
    static final int AT_DATA_OFFSET = 16;
    private static final int AT_TIMESTAMP = 24;
    private static final int AT_CREATOR = 28;
    private static final int AT_CREATOR_VERSION = 32;
    private static final int AT_ORIGINAL_SIZE = 40;
    static final int AT_CURRENT_SIZE = 48;
    private static final int AT_GEOMETRY = 56;
    private static final int AT_TYPE = 60;
    private static final int AT_CHECKSUM = 64;
    private static final int AT_UUID = 68;
    private static final int FEATURE_RESERVED = 2;
    private static final int VERSION = 0x0001_0000;
    /** "tap\0", XenServer: all readers take the current size for such images, not the geometry's. */
    private static final int CREATOR_TAP = 0x7461_7000;

    private static final int CREATOR_VIRTUAL_PC = 0x7670_6320;
    private static final int CREATOR_QEMU = 0x7165_6d75;
    /** Largest size that the geometry can express. */
    private static final long LARGEST_GEOMETRY = 65535L * 16 * 255;

    private final ByteBuffer bytes;

    private VhdFooter(ByteBuffer bytes) {
        this.bytes = bytes;
    }

    /** Whether these bytes are a footer: cookie and checksum are right. */
    static boolean isValid(ByteBuffer bytes) {
        long cookie = bytes.getLong(AT_COOKIE);
        return (cookie == COOKIE || cookie == POISON_COOKIE)
                && bytes.getInt(AT_CHECKSUM) == checksum(bytes, AT_CHECKSUM);
    }

    /** Makes the error for bytes that are not a footer. */
    static DiskException damaged(ByteBuffer bytes, long at, Object file) {
        long cookie = bytes.getLong(AT_COOKIE);
        if (cookie != COOKIE) {
            return DiskException.notAnImage(
                    file,
                    Math.max(0, at + BYTES),
                    "a VHD image",
                    "footer field cookie",
                    at,
                    String.format("0x%016x", cookie),
                    "\"conectix\"");
        }
        return DiskException.corrupt(
                file,
                "footer field checksum",
                at + AT_CHECKSUM,
                hex(bytes.getInt(AT_CHECKSUM)),
                hex(checksum(bytes, AT_CHECKSUM)));
    }

    /**
     * @param bytes that are {@link #isValid}
     * @param at where they are in the file
     */
    static VhdFooter parse(ByteBuffer bytes, long at, Object file) throws DiskException {
        if (bytes.getLong(AT_COOKIE) == POISON_COOKIE) {
            throw new DiskException(
                    Reason.UNSUPPORTED, file + ": is marked as not to be opened (footer cookie \"v_poison\")");
        }
        if (bytes.getInt(AT_VERSION) >>> 16 != VERSION >>> 16) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": footer field file_format_version is " + hex(bytes.getInt(AT_VERSION))
                            + "; version 1 is supported");
        }
        VhdFooter footer = new VhdFooter(bytes);
        if (footer.type() < FIXED || footer.type() > DIFFERENCING) {
            throw DiskException.corrupt(
                    file,
                    "footer field disk_type",
                    at + AT_TYPE,
                    Integer.toUnsignedString(footer.type()),
                    "2 (fixed), 3 (dynamic) or 4 (differencing)");
        }
        if (footer.isByTapdisk() && footer.creatorVersion() == 1) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": is of creator version 0.1 (little-endian bitmaps), which is not supported");
        }
        long size = footer.diskBytes();
        if (size < SECTOR || size > LARGEST_DISK) {
            throw DiskException.corrupt(
                    file,
                    "footer field current_size",
                    at + AT_CURRENT_SIZE,
                    Long.toUnsignedString(footer.currentSize()),
                    "512 to " + LARGEST_DISK);
        }
        return footer;
    }

    /** A footer as XenServer writes it. */
    static VhdFooter create(int type, long size, long timestamp, UUID uuid) {
        ByteBuffer b = ByteBuffer.allocate(BYTES);
        b.putLong(AT_COOKIE, COOKIE)
                .putInt(AT_FEATURES, FEATURE_RESERVED)
                .putInt(AT_VERSION, VERSION)
                .putLong(AT_DATA_OFFSET, NO_DATA_OFFSET);
        b.putInt(AT_TIMESTAMP, (int) timestamp).putInt(AT_CREATOR, CREATOR_TAP).putInt(AT_CREATOR_VERSION, TAP_1_3);
        b.putLong(AT_ORIGINAL_SIZE, size)
                .putLong(AT_CURRENT_SIZE, size)
                .putInt(AT_GEOMETRY, geometry(size))
                .putInt(AT_TYPE, type);
        b.putLong(AT_UUID, uuid.getMostSignificantBits()).putLong(AT_UUID + Long.BYTES, uuid.getLeastSignificantBits());
        return sealed(b);
    }

    /** Copies it with another header offset and creator version. */
    VhdFooter with(long dataOffset, int creatorVersion) {
        return sealed(copy().putLong(AT_DATA_OFFSET, dataOffset)
                .putInt(AT_CREATOR, CREATOR_TAP)
                .putInt(AT_CREATOR_VERSION, creatorVersion));
    }

    /** Copies it with another header offset, for a disk with or without a parent; all else stays. */
    VhdFooter rebased(long dataOffset, boolean differencing) {
        return sealed(
                copy().putLong(AT_DATA_OFFSET, dataOffset).putInt(AT_TYPE, differencing ? DIFFERENCING : DYNAMIC));
    }

    /** Copies it for a disk of another size; a creator whose size would be the geometry's is replaced. */
    VhdFooter resized(long size) {
        ByteBuffer b = copy().putLong(AT_CURRENT_SIZE, size).putInt(AT_GEOMETRY, geometry(size));
        if (sizeIsGeometry()) {
            b.putInt(AT_CREATOR, CREATOR_TAP).putInt(AT_CREATOR_VERSION, TAP_1_1);
        }
        return sealed(b);
    }

    private ByteBuffer copy() {
        return ByteBuffer.allocate(BYTES).put(bytes.duplicate().clear()).clear();
    }

    private static VhdFooter sealed(ByteBuffer b) {
        b.putInt(AT_CHECKSUM, checksum(b, AT_CHECKSUM));
        return new VhdFooter(b);
    }

    /**
     * The specification's checksum of a structure: the one's complement of the sum of its bytes but those of the
     * checksum itself.
     */
    static int checksum(ByteBuffer b, int atChecksum) {
        int sum = 0;
        for (int i = 0; i < b.capacity(); i++) {
            sum += i >= atChecksum && i < atChecksum + 4 ? 0 : b.get(i) & 0xff;
        }
        return ~sum;
    }

    /** The specification's appendix "CHS Calculation": cylinders, heads and sectors of a track, in 16, 8 and 8 bits. */
    static int geometry(long size) {
        long sectors = Math.min(size / SECTOR, LARGEST_GEOMETRY);
        long perTrack;
        long heads;
        long tracks;
        if (sectors >= 65535L * 16 * 63) {
            perTrack = 255;
            heads = 16;
            tracks = sectors / perTrack;
        } else {
            perTrack = 17;
            tracks = sectors / perTrack;
            heads = Math.max(4, (tracks + 1023) / 1024);
            if (tracks >= heads * 1024 || heads > 16) {
                perTrack = 31;
                heads = 16;
                tracks = sectors / perTrack;
            }
            if (tracks >= heads * 1024) {
                perTrack = 63;
                heads = 16;
                tracks = sectors / perTrack;
            }
        }
        return (int) (tracks / heads << 16 | heads << 8 | perTrack);
    }

    /** All 512 of them, to be read or written. */
    ByteBuffer bytes() {
        return bytes.duplicate().clear();
    }

    /** {@link #FIXED}, {@link #DYNAMIC} or {@link #DIFFERENCING}. */
    int type() {
        return bytes.getInt(AT_TYPE);
    }

    boolean isFixed() {
        return type() == FIXED;
    }

    /** Bytes from the beginning of the file to the dynamic disk header; not checked. */
    long dataOffset() {
        return bytes.getLong(AT_DATA_OFFSET);
    }

    long currentSize() {
        return bytes.getLong(AT_CURRENT_SIZE);
    }

    UUID uuid() {
        return uuid(bytes);
    }

    static UUID uuid(ByteBuffer footer) {
        return new UUID(footer.getLong(AT_UUID), footer.getLong(AT_UUID + Long.BYTES));
    }

    int creatorVersion() {
        return bytes.getInt(AT_CREATOR_VERSION);
    }

    boolean isByTapdisk() {
        return bytes.getInt(AT_CREATOR) >>> 8 == CREATOR_TAP >>> 8;
    }

    String creator() {
        byte[] name = new byte[4];
        bytes.get(AT_CREATOR, name);
        return new String(name, StandardCharsets.ISO_8859_1)
                .replaceAll("[^ -~]", "")
                .strip();
    }

    private long geometrySectors() {
        int chs = bytes.getInt(AT_GEOMETRY);
        return (long) (chs >>> 16) * (chs >>> 8 & 0xff) * (chs & 0xff);
    }

    /**
     * Virtual PC and QEMU mean the geometry, all others the current size; QEMU 10, block/vpc.c, decides the same way.
     */
    private boolean sizeIsGeometry() {
        int creator = bytes.getInt(AT_CREATOR);
        return (creator == CREATOR_VIRTUAL_PC || creator == CREATOR_QEMU) && geometrySectors() != LARGEST_GEOMETRY;
    }

    /** Bytes of the disk, a multiple of 512; negative if the field is out of all bounds. */
    long diskBytes() {
        return sizeIsGeometry() ? geometrySectors() * SECTOR : Alignment.down(currentSize(), SECTOR);
    }

    static String hex(int value) {
        return String.format("0x%08x", value);
    }
}
