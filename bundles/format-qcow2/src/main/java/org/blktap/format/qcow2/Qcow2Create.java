package org.blktap.format.qcow2;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.BackingName;
import org.blktap.image.QemuName;

/** Makes an image: header, refcount table and blocks, L1 table, and what is preallocated, one after the other. */
final class Qcow2Create {
    private static final int CLUSTER_BITS = 16;
    private static final int ZERO_PIECE = 1 << 20;

    private final Path path;
    private final Options options;
    private final int clusterBits;
    private final int clusterSize;
    private final int version;
    private final boolean extended;
    private final int refcountOrder;
    private final String preallocation;
    private final String dataFile;

    private Qcow2Create(Path path, Options options, boolean backed) throws DiskException {
        this.path = path;
        this.options = options;
        clusterBits = power(
                "cluster-size",
                options.size("cluster-size", 1 << CLUSTER_BITS),
                Qcow2Header.MIN_CLUSTER_BITS,
                Qcow2Header.MAX_CLUSTER_BITS);
        clusterSize = 1 << clusterBits;
        version = options.number("version", 3, 2, 3);
        extended = options.flag("extended-l2", false);
        refcountOrder = power("refcount-bits", options.number("refcount-bits", 16, 1, 64), 0, 6);
        preallocation = options.oneOf("preallocation", "off", "off", "metadata", "falloc", "full");
        dataFile = options.text("data-file", null);
        boolean needsV3 = extended
                || refcountOrder != 4
                || dataFile != null
                || options.flag("lazy-refcounts", false)
                || options.oneOf("compression", "zlib", "zlib", "zstd").equals("zstd");
        if (version == 2 && needsV3) {
            throw Options.bad("version", "2", "3, for extended-l2, refcount-bits, data-file, lazy-refcounts and zstd");
        }
        if (extended && clusterBits < 14) {
            throw Options.bad("cluster-size", Integer.toString(clusterSize), "16K or more with extended-l2");
        }
        if (backed && dataFile != null && options.flag("data-file-raw", false)) {
            throw Options.bad("data-file-raw", "yes", "no for an overlay: a raw data file holds the whole disk");
        }
        if (backed && !preallocation.equals("off")) {
            throw Options.bad("preallocation", preallocation, "off for an overlay");
        }
        if (options.flag("data-file-raw", false) && dataFile == null) {
            throw Options.bad("data-file-raw", "yes", "a data-file with it");
        }
    }

    private static int power(String key, long value, int least, int most) throws DiskException {
        int bits = Long.numberOfTrailingZeros(value);
        if (Long.bitCount(value) != 1 || bits < least || bits > most) {
            throw Options.bad(
                    key,
                    Options.sizeText(value),
                    "a power of two from " + Options.sizeText(1L << least) + " to " + Options.sizeText(1L << most));
        }
        return bits;
    }

    static void create(Path path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        Qcow2Create plan = new Qcow2Create(path, context.options(), backing != null);
        long size = sizeBytes;
        if (backing != null) {
            // opened as an attach opens it: an image that cannot be attached is not made
            Path named = context.confineBacking(backing.type(), path, backingName(path, backing));
            try (VirtualDisk below = context.openBacking(backing.type(), named)) {
                size = sizeBytes == -1 ? below.info().sizeBytes() : sizeBytes;
            }
        } else if (size == -1) {
            throw new DiskException(Reason.BAD_OPTION, path + ": a size is needed, or a backing file to take it from");
        }
        DiskInfo.checkSize(path, size, SECTOR, 0, Long.MAX_VALUE);
        try (IoFile file = context.createFile(path)) {
            plan.write(file, size, backing, context);
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    /** Returns the name of a backing file, without the mark of one that looks like a protocol. */
    static String backingName(Path path, TapSpec backing) throws DiskException {
        String name = BackingName.of(path, backing);
        if (FileNames.bytes(QemuName.encode(backing.type(), name)).length > Qcow2Header.MAX_BACKING_NAME) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": the backing file's name is longer than " + Qcow2Header.MAX_BACKING_NAME + " bytes");
        }
        return name;
    }

    /** Makes an image for compressed clusters. */
    static Qcow2Compressed compressed(Path path, long size, DiskContext context) throws DiskException {
        Qcow2Create plan = new Qcow2Create(path, context.options(), false);
        if (plan.dataFile != null || !plan.preallocation.equals("off")) {
            throw new DiskException(
                    Reason.BAD_OPTION, path + ": a compressed image can have neither a data-file nor preallocation");
        }
        IoFile file = context.createFile(path);
        try {
            plan.write(file, size, null, context);
            Qcow2Header header = Qcow2Header.read(file);
            return new Qcow2Compressed(header, file, new Refcounts(header, file));
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }

    private void write(IoFile file, long size, TapSpec backing, DiskContext context) throws DiskException, IOException {
        int entryBytes = Qcow2Entry.l2Bytes(extended);
        long slotBytes = (long) clusterSize * (clusterSize / entryBytes);
        long l1Entries = Alignment.units(size, slotBytes);
        if (l1Entries > Qcow2Header.MAX_L1_ENTRIES) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": size " + size + ": expected at most " + Qcow2Header.MAX_L1_ENTRIES * slotBytes
                            + " with clusters of " + clusterSize + " bytes");
        }
        boolean metadata = !preallocation.equals("off") || dataFile != null && options.flag("data-file-raw", false);
        boolean data = metadata && dataFile == null;
        long l1Clusters = Math.max(1, clusters(l1Entries * Qcow2Entry.L1_BYTES));
        long l2Clusters = metadata ? l1Entries : 0;
        long dataClusters = data ? clusters(size) : 0;
        // the blocks of counts are counted too
        long perBlock = 1L << clusterBits + 3 - refcountOrder;
        long blocks = 1;
        long tableClusters = 1;
        long total;
        while (true) {
            total = 1 + tableClusters + blocks + l1Clusters + l2Clusters + dataClusters;
            long wantedBlocks = Alignment.units(total, perBlock);
            long wantedTable = clusters(wantedBlocks * Refcounts.TABLE_ENTRY_BYTES);
            if (wantedBlocks <= blocks && wantedTable <= tableClusters) {
                break;
            }
            blocks = Math.max(blocks, wantedBlocks);
            tableClusters = Math.max(tableClusters, wantedTable);
        }
        if (tableClusters * clusterSize > Qcow2Header.MAX_REFCOUNT_TABLE_BYTES) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    path + ": too large to be preallocated with clusters of " + clusterSize + " bytes");
        }
        long tableAt = clusterSize;
        long blocksAt = tableAt + tableClusters * clusterSize;
        long l1At = blocksAt + blocks * clusterSize;
        long l2At = l1At + l1Clusters * clusterSize;
        long dataAt = l2At + l2Clusters * clusterSize;
        Qcow2Header header = header(size, (int) l1Entries, l1At, tableAt, (int) tableClusters, backing);
        file.truncateNow(total * clusterSize);
        file.writeFully(header.bytes(), 0);
        ByteBuffer table = ByteBuffer.allocate((int) (tableClusters * clusterSize));
        for (int i = 0; i < blocks; i++) {
            table.putLong(i * Refcounts.TABLE_ENTRY_BYTES, blocksAt + (long) i * clusterSize);
        }
        file.writeFully(table, tableAt);
        new Refcounts(header, file).add(0, total * clusterSize, 1);
        if (metadata) {
            preallocate(file, size, l1At, l2At, dataFile == null ? dataAt : 0);
        }
        if (dataFile != null) {
            // made beside the image, as the image is made; the name in the image is not followed
            try (IoFile external = context.createFile(path.resolveSibling(FileNames.path(dataFile)))) {
                external.truncateNow(clusters(size) * clusterSize);
                reserve(external, 0, clusters(size) * clusterSize);
                external.flushNow();
            }
        } else if (data) {
            reserve(file, dataAt, dataClusters * clusterSize);
        }
        file.flushNow();
    }

    private Qcow2Header header(long size, int l1Entries, long l1At, long tableAt, int tableClusters, TapSpec backing)
            throws DiskException {
        boolean zstd = options.text("compression", "zlib").equals("zstd");
        Map<Integer, byte[]> extensions = new LinkedHashMap<>();
        if (backing != null) {
            extensions.put(
                    Qcow2Header.EXT_BACKING_FORMAT,
                    QemuName.formatOf(backing.type()).getBytes(StandardCharsets.UTF_8));
        }
        if (dataFile != null) {
            if (dataFile.isEmpty() || dataFile.contains("/") || dataFile.equals("..")) {
                throw Options.bad("data-file", dataFile, "the name of a new file beside the image");
            }
            extensions.put(Qcow2Header.EXT_DATA_FILE, FileNames.bytes(QemuName.encode(dataFile)));
        }
        long incompatible = (dataFile != null ? Qcow2Header.EXTERNAL_DATA : 0)
                | (zstd ? Qcow2Header.COMPRESSION : 0)
                | (extended ? Qcow2Header.EXTENDED_L2 : 0);
        return new Qcow2Header(
                version,
                backing == null ? null : QemuName.encode(backing.type(), backingName(path, backing)),
                clusterBits,
                size,
                l1Entries,
                l1At,
                tableAt,
                tableClusters,
                0,
                0,
                incompatible,
                options.flag("lazy-refcounts", false) ? Qcow2Header.LAZY_REFCOUNTS : 0,
                dataFile != null && options.flag("data-file-raw", false) ? Qcow2Header.RAW_EXTERNAL : 0,
                refcountOrder,
                version == 3 ? Qcow2Header.FULL_LENGTH : Qcow2Header.V2_LENGTH,
                zstd ? Qcow2Header.ZSTD : Qcow2Header.ZLIB,
                extensions);
    }

    /** Writes all L2 tables, each entry pointing at its cluster. */
    private void preallocate(IoFile file, long size, long l1At, long l2At, long dataAt) throws IOException {
        int entryBytes = Qcow2Entry.l2Bytes(extended);
        int perTable = clusterSize / entryBytes;
        long left = clusters(size);
        ByteBuffer l1 = ByteBuffer.allocate(Math.toIntExact(Alignment.units(left, perTable) * Qcow2Entry.L1_BYTES));
        ByteBuffer l2 = ByteBuffer.allocate(clusterSize);
        for (int slot = 0; left > 0; slot++) {
            l1.putLong(slot * Qcow2Entry.L1_BYTES, l2At + (long) slot * clusterSize | Qcow2Entry.COPIED);
            l2.clear();
            for (int i = 0; i < perTable; i++) {
                boolean used = i < left;
                l2.putLong(
                        i * entryBytes,
                        used ? dataAt + ((long) slot * perTable + i) * clusterSize | Qcow2Entry.COPIED : 0);
                if (extended) {
                    l2.putLong(
                            i * entryBytes + Qcow2Entry.AT_BITS,
                            used ? Qcow2Entry.subclusters(0, Qcow2Entry.SUBCLUSTERS) : 0);
                }
            }
            file.writeFully(l2, l2At + (long) slot * clusterSize);
            left -= perTable;
        }
        file.writeFully(l1, l1At);
    }

    /** Reserves space by writing zeros, for preallocation {@code full} and {@code falloc}. */
    private void reserve(IoFile file, long from, long length) throws IOException {
        if (!preallocation.equals("full") && !preallocation.equals("falloc")) {
            return;
        }
        ByteBuffer zeros = ByteBuffer.allocate(ZERO_PIECE);
        for (long at = from; at < from + length; at += ZERO_PIECE) {
            file.writeFully(zeros.clear().limit((int) Math.min(ZERO_PIECE, from + length - at)), at);
        }
    }

    private long clusters(long bytes) {
        return Alignment.units(bytes, clusterSize);
    }
}
