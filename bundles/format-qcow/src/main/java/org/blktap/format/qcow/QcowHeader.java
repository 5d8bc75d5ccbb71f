package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * The header of a qcow image of version 1: 48 bytes, big-endian, and what Xen's tools put after it. Layout and limits:
 * QEMU block/qcow.c, Xen tools/blktap/drivers/block-qcow.c.
 *
 * @param backingOffset bytes from the beginning of the file to the backing file's name; 0 without one
 * @param backingLength bytes of the name
 * @param size bytes of the disk
 * @param clusterBits log2 of a cluster's bytes
 * @param l2Bits log2 of the entries of an L2 table
 * @param l1Offset bytes from the beginning of the file to the L1 table
 * @param xen Xen's extension, or null
 */
record QcowHeader(
        long backingOffset,
        int backingLength,
        long size,
        int clusterBits,
        int l2Bits,
        long l1Offset,
        XenExtension xen) {
    /** "QFI\xfb". */
    static final int MAGIC = 0x514649fb;
    /** "XEN\xfb". */
    static final int XEN_MAGIC = 0x58454efb;

    static final int VERSION = 1;
    private static final int AT_MAGIC = 0;
    private static final int AT_VERSION = 4;
    static final int AT_BACKING_OFFSET = 8;
    static final int AT_BACKING_SIZE = 16;
    private static final int AT_MTIME = 20;
    static final int AT_SIZE = 24;
    private static final int AT_CLUSTER_BITS = 32;
    private static final int AT_L2_BITS = 33;
    private static final int AT_CRYPT_METHOD = 36;
    static final int AT_L1_OFFSET = 40;
    static final int BYTES = 48;
    static final int XEN_OFFSET = 48;
    static final int AT_XEN_CHECKSUM = 52;
    static final int AT_XEN_MIN_CLUSTER_ALLOC = 56;
    private static final int AT_XEN_FLAGS = 60;
    static final int XEN_BYTES = 16;
    /** Bytes of an entry of an L1 or L2 table. */
    static final int ENTRY_BYTES = 8;

    static final int XEN_FLAG_SPARSE = 1;
    static final int XEN_FLAG_BIG_ENDIAN_L1 = 2;
    static final int MIN_CLUSTER_BITS = 9;
    static final int MAX_CLUSTER_BITS = 16;
    static final int MIN_L2_BITS = 6;
    static final int MAX_L2_BITS = 13;
    /** Longer names are refused, as QEMU does. */
    static final int MAX_BACKING_NAME = 1023;
    /** A name is after the header, or where a rebase found room, at the end of the file. */
    private static final long MAX_BACKING_OFFSET = 1L << 56;
    /** The L1 table is held in memory: 64 MiB are a disk of 16 TiB in the usual geometry. */
    static final long MAX_L1_BYTES = 64L << 20;

    static final long MAX_L1_ENTRIES = MAX_L1_BYTES / ENTRY_BYTES;

    /**
     * The extension that Xen's tools write at offset 48.
     *
     * @param checksum of the L1 table
     * @param minClusterAlloc how many clusters are allocated as one: 1, or a whole L2 table's
     * @param flags {@link #XEN_FLAG_SPARSE}, {@link #XEN_FLAG_BIG_ENDIAN_L1}; not to be relied on
     */
    record XenExtension(int checksum, int minClusterAlloc, int flags) {}

    static QcowHeader read(IoFile file) throws DiskException {
        ByteBuffer bytes = ByteBuffer.allocate(XEN_OFFSET + XEN_BYTES);
        try {
            file.readFully(bytes, 0);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the header", e);
        }
        int magic = bytes.getInt(AT_MAGIC);
        if (magic != MAGIC) {
            throw DiskException.notAnImage(
                    file.path(),
                    file.size(),
                    "a qcow image",
                    "header field magic",
                    AT_MAGIC,
                    hex(magic),
                    hex(MAGIC) + " (\"QFI\\xfb\")");
        }
        return parse(bytes.flip(), file.path());
    }

    /** @param bytes the first 64 of a file with the magic */
    static QcowHeader parse(ByteBuffer bytes, Object file) throws DiskException {
        int version = bytes.getInt(AT_VERSION);
        if (version == 2 || version == 3) {
            throw new DiskException(
                    Reason.WRONG_TYPE,
                    file + ": is a qcow image of version " + version
                            + "; tap:qcow is version 1, tap:qcow2 is for versions 2 and 3");
        }
        if (version != VERSION) {
            throw DiskException.corrupt(file, "header field version", AT_VERSION, version, VERSION);
        }
        long backingOffset = bytes.getLong(AT_BACKING_OFFSET);
        int backingLength = bytes.getInt(AT_BACKING_SIZE);
        long size = bytes.getLong(AT_SIZE);
        int clusterBits = Byte.toUnsignedInt(bytes.get(AT_CLUSTER_BITS));
        int l2Bits = Byte.toUnsignedInt(bytes.get(AT_L2_BITS));
        int crypt = bytes.getInt(AT_CRYPT_METHOD);
        long l1Offset = bytes.getLong(AT_L1_OFFSET);
        if (backingOffset != 0 && (backingOffset < BYTES || backingOffset > MAX_BACKING_OFFSET)) {
            throw DiskException.corrupt(
                    file,
                    "header field backing_file_offset",
                    AT_BACKING_OFFSET,
                    Long.toUnsignedString(backingOffset),
                    "0, or an offset from " + BYTES + " to " + MAX_BACKING_OFFSET);
        }
        if (backingOffset != 0 && (backingLength < 1 || backingLength > MAX_BACKING_NAME)) {
            throw DiskException.corrupt(
                    file,
                    "header field backing_file_size",
                    AT_BACKING_SIZE,
                    Integer.toUnsignedString(backingLength),
                    "1 to " + MAX_BACKING_NAME);
        }
        if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) {
            throw DiskException.corrupt(
                    file,
                    "header field cluster_bits",
                    AT_CLUSTER_BITS,
                    clusterBits,
                    MIN_CLUSTER_BITS + " to " + MAX_CLUSTER_BITS);
        }
        if (l2Bits < MIN_L2_BITS || l2Bits > MAX_L2_BITS) {
            throw DiskException.corrupt(
                    file, "header field l2_bits", AT_L2_BITS, l2Bits, MIN_L2_BITS + " to " + MAX_L2_BITS);
        }
        if (crypt == 1) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": is encrypted (crypt_method 1, AES), which is not supported; "
                            + "decrypt it first: qemu-img convert -O raw with its key");
        }
        if (crypt != 0) {
            throw DiskException.corrupt(
                    file, "header field crypt_method", AT_CRYPT_METHOD, Integer.toUnsignedString(crypt), "0 (none)");
        }
        long largest = MAX_L1_ENTRIES << clusterBits + l2Bits;
        if (size < SECTOR || size > largest) {
            throw DiskException.corrupt(
                    file,
                    "header field size",
                    AT_SIZE,
                    Long.toUnsignedString(size),
                    "512 to " + largest + " (an L1 table of " + MAX_L1_BYTES + " bytes)");
        }
        if (l1Offset < BYTES || l1Offset % 8 != 0 || l1Offset > Long.MAX_VALUE / 2) {
            throw DiskException.corrupt(
                    file,
                    "header field l1_table_offset",
                    AT_L1_OFFSET,
                    Long.toUnsignedString(l1Offset),
                    "a multiple of 8 after the header");
        }
        return new QcowHeader(
                backingOffset, backingLength, size, clusterBits, l2Bits, l1Offset, xen(bytes, backingOffset, l1Offset));
    }

    /**
     * Returns the extension, or null: it has its magic, and room between the header and the backing name or L1 table.
     */
    private static XenExtension xen(ByteBuffer bytes, long backingOffset, long l1Offset) {
        boolean room =
                l1Offset >= XEN_OFFSET + XEN_BYTES && (backingOffset == 0 || backingOffset >= XEN_OFFSET + XEN_BYTES);
        return room && bytes.getInt(XEN_OFFSET) == XEN_MAGIC
                ? new XenExtension(
                        bytes.getInt(AT_XEN_CHECKSUM),
                        bytes.getInt(AT_XEN_MIN_CLUSTER_ALLOC),
                        bytes.getInt(AT_XEN_FLAGS))
                : null;
    }

    /** @param backingName the backing file's name, or null; it is after the extension */
    ByteBuffer bytes(byte[] backingName) {
        ByteBuffer bytes = ByteBuffer.allocate(XEN_OFFSET + XEN_BYTES + (backingName == null ? 0 : backingName.length));
        bytes.putInt(AT_MAGIC, MAGIC).putInt(AT_VERSION, VERSION);
        bytes.putLong(AT_BACKING_OFFSET, backingOffset)
                .putInt(AT_BACKING_SIZE, backingLength)
                .putInt(AT_MTIME, 0);
        bytes.putLong(AT_SIZE, size).put(AT_CLUSTER_BITS, (byte) clusterBits).put(AT_L2_BITS, (byte) l2Bits);
        bytes.putInt(AT_CRYPT_METHOD, 0).putLong(AT_L1_OFFSET, l1Offset);
        if (xen != null) {
            bytes.putInt(XEN_OFFSET, XEN_MAGIC).putInt(AT_XEN_CHECKSUM, xen.checksum());
            bytes.putInt(AT_XEN_MIN_CLUSTER_ALLOC, xen.minClusterAlloc()).putInt(AT_XEN_FLAGS, xen.flags());
        }
        bytes.position(XEN_OFFSET + XEN_BYTES);
        if (backingName != null) {
            bytes.put(backingName);
        }
        return bytes.flip();
    }

    /** The backing file's name as the image has it, or null. */
    String backingName(IoFile file) throws DiskException {
        if (backingOffset == 0) {
            return null;
        }
        ByteBuffer name = ByteBuffer.allocate(backingLength);
        try {
            file.readFully(name, backingOffset);
            return FileNames.text(name.flip());
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the backing file name", e);
        }
    }

    /** Copies the header with another place of the L1 table or another size. */
    QcowHeader with(long otherL1Offset, long otherSize) {
        return new QcowHeader(backingOffset, backingLength, otherSize, clusterBits, l2Bits, otherL1Offset, xen);
    }

    int clusterSize() {
        return 1 << clusterBits;
    }

    int l2Entries() {
        return 1 << l2Bits;
    }

    /** Bytes of an L2 table. */
    int l2Bytes() {
        return ENTRY_BYTES << l2Bits;
    }

    /** Bytes of the disk that one L1 entry stands for. */
    long slotBytes() {
        return 1L << clusterBits + l2Bits;
    }

    int l1Entries() {
        return (int) Alignment.units(size, slotBytes());
    }

    /** The end of the L1 table. */
    long metadataEnd() {
        return l1Offset + (long) ENTRY_BYTES * l1Entries();
    }

    /** The end of the header's fields. */
    int fieldsEnd() {
        return xen == null ? BYTES : XEN_OFFSET + XEN_BYTES;
    }

    /**
     * Whether a table or a cluster may lie there: outside of the header, of the backing file's name, which a rebase may
     * move to the end of the file, and of the L1 table, which a resize moves there.
     */
    boolean mayHold(long offset, int length) {
        return offset >= fieldsEnd()
                && (offset >= metadataEnd() || offset + length <= l1Offset)
                && (backingOffset == 0 || offset >= backingOffset + backingLength || offset + length <= backingOffset);
    }

    private static String hex(int value) {
        return String.format("0x%08x", value);
    }
}
