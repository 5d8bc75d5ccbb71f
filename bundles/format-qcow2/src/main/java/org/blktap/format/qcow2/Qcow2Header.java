package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * The header of a qcow2 image, version 2 or 3, with its extensions: QEMU docs/interop/qcow2.txt, "Header" and "Header
 * extensions". Big-endian.
 *
 * @param backingName as the image has it, or null
 * @param size bytes of the disk
 * @param l1Entries of the active L1 table
 * @param refcountTableClusters its size in clusters
 * @param refcountOrder log2 of the bits of a reference count
 * @param length bytes of the header without extensions
 * @param compressionType {@link #ZLIB} or {@link #ZSTD}
 * @param extensions data by type, without the end marker
 */
record Qcow2Header(
        int version,
        String backingName,
        int clusterBits,
        long size,
        int l1Entries,
        long l1Offset,
        long refcountTableOffset,
        int refcountTableClusters,
        int snapshots,
        long snapshotsOffset,
        long incompatible,
        long compatible,
        long autoclear,
        int refcountOrder,
        int length,
        int compressionType,
        Map<Integer, byte[]> extensions) {
    /** "QFI\xfb". */
    static final int MAGIC = 0x514649fb;

    static final int V2_LENGTH = 72;
    static final int V3_LENGTH = 104;
    /** With the compression type, padded to 8. */
    static final int FULL_LENGTH = 112;

    static final int MIN_CLUSTER_BITS = 9;
    static final int MAX_CLUSTER_BITS = 21;

    private static final int AT_MAGIC = 0;
    private static final int AT_VERSION = 4;
    static final int AT_BACKING_OFFSET = 8;
    static final int AT_BACKING_SIZE = 16;
    private static final int AT_CLUSTER_BITS = 20;
    static final int AT_SIZE = 24;
    private static final int AT_CRYPT_METHOD = 32;
    static final int AT_L1_SIZE = 36;
    static final int AT_L1_OFFSET = 40;
    static final int AT_REFCOUNT_TABLE = 48;
    private static final int AT_REFCOUNT_TABLE_CLUSTERS = 56;
    private static final int AT_SNAPSHOTS = 60;
    private static final int AT_SNAPSHOTS_OFFSET = 64;
    static final int AT_INCOMPATIBLE = 72;
    private static final int AT_COMPATIBLE = 80;
    static final int AT_AUTOCLEAR = 88;
    private static final int AT_REFCOUNT_ORDER = 96;
    private static final int AT_HEADER_LENGTH = 100;
    private static final int AT_COMPRESSION_TYPE = 104;

    static final long DIRTY = 1;
    static final long CORRUPT = 1 << 1;
    static final long EXTERNAL_DATA = 1 << 2;
    static final long COMPRESSION = 1 << 3;
    static final long EXTENDED_L2 = 1 << 4;
    static final long KNOWN_INCOMPATIBLE = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION | EXTENDED_L2;
    static final long LAZY_REFCOUNTS = 1;
    static final long BITMAPS = 1;
    static final long RAW_EXTERNAL = 1 << 1;

    /** A header extension begins with its type and its length; its data is padded to 8. */
    static final int AT_EXT_LENGTH = 4;

    static final int EXT_BYTES = 8;
    static final int EXT_END = 0;
    static final int EXT_BACKING_FORMAT = 0xe2792aca;
    static final int EXT_FEATURE_NAMES = 0x6803f857;
    private static final int AT_FEATURE_BIT = 1;
    private static final int AT_FEATURE_NAME = 2;
    private static final int FEATURE_BYTES = 48;
    static final int EXT_BITMAPS = 0x23852875;
    static final int EXT_DATA_FILE = 0x44415441;

    static final int ZLIB = 0;
    static final int ZSTD = 1;

    /** Entries of the largest L1 table, QEMU's limit of 32 MiB; all are held in memory. */
    static final int MAX_L1_ENTRIES = (32 << 20) / Qcow2Entry.L1_BYTES;

    static final long MAX_REFCOUNT_TABLE_BYTES = 8 << 20;
    static final int MAX_SNAPSHOTS = 65536;
    static final int MAX_BACKING_NAME = 1023;
    private static final int MAX_EXTENSION = 64 << 10;

    static Qcow2Header read(IoFile file) throws DiskException {
        // the header and its extensions lie in the first cluster
        ByteBuffer first = ByteBuffer.allocate((int) Math.min(file.size(), 1 << MAX_CLUSTER_BITS) + V3_LENGTH);
        try {
            file.readFully(first, 0);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the header", e);
        }
        int magic = first.getInt(AT_MAGIC);
        if (magic != MAGIC) {
            throw DiskException.notAnImage(
                    file.path(),
                    file.size(),
                    "a qcow2 image",
                    "header field magic",
                    AT_MAGIC,
                    String.format("0x%08x", magic),
                    "0x514649fb (\"QFI\\xfb\")");
        }
        return parse(first.flip(), file.path());
    }

    /**
     * @param b the first cluster of a file with the magic, at least {@link #V3_LENGTH} bytes; zeros where the file is
     *     shorter
     */
    static Qcow2Header parse(ByteBuffer b, Object file) throws DiskException {
        int version = b.getInt(AT_VERSION);
        if (version == 1) {
            throw new DiskException(Reason.WRONG_TYPE, file + ": is a qcow image of version 1; that is tap:qcow");
        }
        if (version != 2 && version != 3) {
            throw DiskException.corrupt(
                    file, "header field version", AT_VERSION, Integer.toUnsignedString(version), "2 or 3");
        }
        int clusterBits =
                (int) number(b, file, "cluster_bits", AT_CLUSTER_BITS, false, MIN_CLUSTER_BITS, MAX_CLUSTER_BITS);
        int clusterSize = 1 << clusterBits;
        int crypt = b.getInt(AT_CRYPT_METHOD);
        if (crypt == 1 || crypt == 2) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": is encrypted (crypt_method " + crypt + ", " + (crypt == 1 ? "AES" : "LUKS")
                            + "), which is not supported");
        }
        number(b, file, "crypt_method", AT_CRYPT_METHOD, false, 0, 0);
        boolean v3 = version == 3;
        long incompatible = v3 ? b.getLong(AT_INCOMPATIBLE) : 0;
        int length = v3
                ? (int) number(
                        b, file, "header_length", AT_HEADER_LENGTH, false, V3_LENGTH, Math.min(clusterSize, b.limit()))
                : V2_LENGTH;
        if (length % 8 != 0) {
            throw DiskException.corrupt(
                    file, "header field header_length", AT_HEADER_LENGTH, length, "a multiple of 8");
        }
        long backingOffset = b.getLong(AT_BACKING_OFFSET);
        Map<Integer, byte[]> extensions = extensions(b, file, length, backingOffset == 0 ? clusterSize : backingOffset);
        if ((incompatible & ~KNOWN_INCOMPATIBLE) != 0) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file + ": needs features that are not known here: "
                            + names(incompatible & ~KNOWN_INCOMPATIBLE, extensions.get(EXT_FEATURE_NAMES)));
        }
        int refcountOrder = v3 ? (int) number(b, file, "refcount_order", AT_REFCOUNT_ORDER, false, 0, 6) : 4;
        int compression = length > V3_LENGTH ? Byte.toUnsignedInt(b.get(AT_COMPRESSION_TYPE)) : ZLIB;
        if (compression > ZSTD || compression != ZLIB != ((incompatible & COMPRESSION) != 0)) {
            throw DiskException.corrupt(
                    file,
                    "header field compression_type",
                    AT_COMPRESSION_TYPE,
                    compression,
                    (incompatible & COMPRESSION) != 0 ? "1 (zstd), as incompatible feature bit 3 is set" : "0 (zlib)");
        }
        boolean extendedL2 = (incompatible & EXTENDED_L2) != 0;
        if (extendedL2 && clusterBits < 14) {
            throw DiskException.corrupt(
                    file,
                    "header field cluster_bits",
                    AT_CLUSTER_BITS,
                    clusterBits,
                    "14 or more with extended L2 entries");
        }
        int slotBits = clusterBits + clusterBits - (extendedL2 ? 4 : 3);
        long largest = slotBits >= 41 ? Long.MAX_VALUE / 2 : (long) MAX_L1_ENTRIES << slotBits;
        long size = number(b, file, "size", AT_SIZE, true, 0, largest);
        long needed = size + (1L << slotBits) - 1 >>> slotBits;
        int l1Entries = (int) number(b, file, "l1_size", AT_L1_SIZE, false, needed, MAX_L1_ENTRIES);
        long l1Offset = offset(b, file, "l1_table_offset", AT_L1_OFFSET, clusterSize, l1Entries == 0);
        long refcountTable = offset(b, file, "refcount_table_offset", AT_REFCOUNT_TABLE, clusterSize, false);
        int tableClusters = (int) number(
                b,
                file,
                "refcount_table_clusters",
                AT_REFCOUNT_TABLE_CLUSTERS,
                false,
                1,
                Math.max(1, MAX_REFCOUNT_TABLE_BYTES / clusterSize));
        int snapshots = (int) number(b, file, "nb_snapshots", AT_SNAPSHOTS, false, 0, MAX_SNAPSHOTS);
        long snapshotsOffset = offset(b, file, "snapshots_offset", AT_SNAPSHOTS_OFFSET, clusterSize, snapshots == 0);
        return new Qcow2Header(
                version,
                backingName(b, file, backingOffset, clusterSize),
                clusterBits,
                size,
                l1Entries,
                l1Offset,
                refcountTable,
                tableClusters,
                snapshots,
                snapshotsOffset,
                incompatible,
                v3 ? b.getLong(AT_COMPATIBLE) : 0,
                v3 ? b.getLong(AT_AUTOCLEAR) : 0,
                refcountOrder,
                length,
                compression,
                extensions);
    }

    private static long number(ByteBuffer b, Object file, String field, int at, boolean wide, long least, long most)
            throws DiskException {
        long value = wide ? b.getLong(at) : Integer.toUnsignedLong(b.getInt(at));
        if (value < least || value > most) {
            throw DiskException.corrupt(
                    file,
                    "header field " + field,
                    at,
                    Long.toUnsignedString(value),
                    least == most ? Long.toString(least) : least + " to " + most);
        }
        return value;
    }

    private static long offset(ByteBuffer b, Object file, String field, int at, int clusterSize, boolean unused)
            throws DiskException {
        long value = b.getLong(at);
        if (!unused
                && (value < clusterSize || !Alignment.isAligned(value, clusterSize) || value > Long.MAX_VALUE / 4)) {
            throw DiskException.corrupt(
                    file,
                    "header field " + field,
                    at,
                    Long.toUnsignedString(value),
                    "a multiple of the cluster size " + clusterSize + " above 0");
        }
        return value;
    }

    private static String backingName(ByteBuffer b, Object file, long offset, int clusterSize) throws DiskException {
        if (offset == 0) {
            return null;
        }
        int length = (int) number(b, file, "backing_file_size", AT_BACKING_SIZE, false, 1, MAX_BACKING_NAME);
        if (offset < V2_LENGTH || offset > Math.min(clusterSize, b.limit()) - length) {
            throw DiskException.corrupt(
                    file,
                    "header field backing_file_offset",
                    AT_BACKING_OFFSET,
                    Long.toUnsignedString(offset),
                    "an offset inside the first cluster");
        }
        return FileNames.text(b.slice((int) offset, length));
    }

    private static Map<Integer, byte[]> extensions(ByteBuffer b, Object file, int at, long end) throws DiskException {
        Map<Integer, byte[]> found = new LinkedHashMap<>();
        while (at + (long) EXT_BYTES <= Math.min(end, b.limit())) {
            int type = b.getInt(at);
            long length = Integer.toUnsignedLong(b.getInt(at + AT_EXT_LENGTH));
            if (type == EXT_END) {
                break;
            }
            if (length > MAX_EXTENSION || at + EXT_BYTES + length > Math.min(end, b.limit())) {
                throw DiskException.corrupt(
                        file,
                        String.format("length of header extension 0x%08x", type),
                        at + (long) AT_EXT_LENGTH,
                        length,
                        "an extension that ends inside the first cluster");
            }
            byte[] data = new byte[(int) length];
            b.get(at + EXT_BYTES, data);
            found.put(type, data);
            at += (int) Alignment.up(EXT_BYTES + length, Long.BYTES);
        }
        return found;
    }

    /** The feature name table: entries of type, bit and name; type 0 is incompatible. */
    private static String names(long bits, byte[] table) {
        List<String> all = new ArrayList<>();
        for (int bit = 0; bit < 64; bit++) {
            if ((bits & 1L << bit) != 0) {
                String name = "incompatible feature bit " + bit;
                for (int i = 0; table != null && i + FEATURE_BYTES <= table.length; i += FEATURE_BYTES) {
                    if (table[i] == 0 && table[i + AT_FEATURE_BIT] == bit) {
                        name += " ("
                                + new String(
                                                table,
                                                i + AT_FEATURE_NAME,
                                                FEATURE_BYTES - AT_FEATURE_NAME,
                                                StandardCharsets.US_ASCII)
                                        .replaceAll("[^ -~]", "")
                                + ")";
                    }
                }
                all.add(name);
            }
        }
        return String.join(", ", all);
    }

    /** The text of an extension, or null. */
    String extensionText(int type) {
        byte[] data = extensions.get(type);
        return data == null ? null : FileNames.text(ByteBuffer.wrap(data));
    }

    /** Returns the header with its extensions and the backing name, the beginning of the first cluster. */
    ByteBuffer bytes() throws DiskException {
        ByteBuffer b = ByteBuffer.allocate(1 << clusterBits);
        boolean v3 = version == 3;
        b.position(v3 ? FULL_LENGTH : V2_LENGTH);
        int room = extensions.values().stream()
                        .mapToInt(data -> EXT_BYTES + Alignment.up(data.length, Long.BYTES))
                        .sum()
                + EXT_BYTES
                + (backingName == null ? 0 : FileNames.bytes(backingName).length);
        if (room > b.remaining()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "a header with these names does not fit into a cluster of " + (1 << clusterBits) + " bytes");
        }
        extensions.forEach((type, data) -> {
            b.putInt(type).putInt(data.length).put(data);
            b.position(Alignment.up(b.position(), Long.BYTES));
        });
        b.putInt(EXT_END).putInt(0);
        b.putInt(AT_MAGIC, MAGIC).putInt(AT_VERSION, version);
        if (backingName != null) {
            byte[] name = FileNames.bytes(backingName);
            b.putLong(AT_BACKING_OFFSET, b.position()).putInt(AT_BACKING_SIZE, name.length);
            b.put(name);
        }
        b.putInt(AT_CLUSTER_BITS, clusterBits)
                .putLong(AT_SIZE, size)
                .putInt(AT_L1_SIZE, l1Entries)
                .putLong(AT_L1_OFFSET, l1Offset);
        b.putLong(AT_REFCOUNT_TABLE, refcountTableOffset).putInt(AT_REFCOUNT_TABLE_CLUSTERS, refcountTableClusters);
        if (v3) {
            b.putLong(AT_INCOMPATIBLE, incompatible)
                    .putLong(AT_COMPATIBLE, compatible)
                    .putLong(AT_AUTOCLEAR, autoclear);
            b.putInt(AT_REFCOUNT_ORDER, refcountOrder)
                    .putInt(AT_HEADER_LENGTH, FULL_LENGTH)
                    .put(AT_COMPRESSION_TYPE, (byte) compressionType);
        }
        return b.clear();
    }

    boolean has(long incompatibleBit) {
        return (incompatible & incompatibleBit) != 0;
    }

    int clusterSize() {
        return 1 << clusterBits;
    }

    /** Bytes that are allocated as one: a cluster, or a subcluster. */
    int unit() {
        return has(EXTENDED_L2) ? clusterSize() / Qcow2Entry.SUBCLUSTERS : clusterSize();
    }

    /** Bytes of an L2 entry: 16 with a bitmap of subclusters. */
    int l2EntryBytes() {
        return Qcow2Entry.l2Bytes(has(EXTENDED_L2));
    }

    int l2Entries() {
        return clusterSize() / l2EntryBytes();
    }

    /** log2 of the bytes of the disk that one L1 entry stands for. */
    int slotBits() {
        return clusterBits + Integer.numberOfTrailingZeros(l2Entries());
    }
}
