package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Interruption;

/**
 * Finds all references to clusters in an image that is not being written: of header, counts, snapshots, bitmaps,
 * tables. {@link #find} reads what leads to tables, and finds each L2 table once; {@link #visit} reports all
 * references, and may be called several times. Blocking; ends when its thread is interrupted.
 */
final class References {
    /** Receives references. */
    interface Visitor {
        /**
         * Whether a table at bytes {@code [offset, offset + length)}, which need not be inside the file, may be read.
         *
         * @param structure what refers to it
         * @param entry index of the entry in it, or -1 if there is only one
         * @param at where it is
         */
        boolean mayRead(String structure, int entry, long at, long offset, long length);

        /**
         * Reports that something refers to bytes {@code [offset, offset + length)}, which need not be inside the file.
         *
         * @param cluster whether the offset must be that of a cluster
         * @param times how often
         */
        void refers(String structure, int entry, long at, long offset, long length, boolean cluster, int times);

        /** Whether references to bytes {@code [from, to)} of the file are of interest in this visit. */
        boolean wants(long from, long to);

        /** Called before an L2 entry that has data is reported. */
        void data();

        /** Reports a reference that cannot be followed. */
        void problem(String structure, long at, Object found, Object expected);

        /** Called before {@code bytes} of tables are read. @return whether to continue */
        boolean goesOn(long bytes);
    }

    private record L1(String name, long offset, int entries) {}

    private static final int PIECE = 64 << 10;
    /** Limit of the bitmap directory, and of all bitmap tables: many times what QEMU makes. */
    private static final long MOST_BITMAP_BYTES = 64 << 20;
    /** Tables whose references are remembered by their first and last place in the file. */
    private static final int MOST_REACHES = 1 << 20;

    private final Qcow2Header header;
    private final IoFile file;
    private final TableReader reader;
    private final Refcounts counts;
    private final Visitor visitor;
    private final int clusterSize;
    private final List<L1> l1Tables = new ArrayList<>();
    private final TablesInUse l2Tables = new TablesInUse();
    /** First and last place that a table refers to, once it has been read. */
    private long[] reaches;

    private long snapshotsEnd;

    /** @param reader of L2 tables */
    References(Qcow2Header header, IoFile file, TableReader reader, Refcounts counts, Visitor visitor) {
        this.reader = reader;
        this.header = header;
        this.file = file;
        this.counts = counts;
        this.visitor = visitor;
        clusterSize = header.clusterSize();
    }

    /** Finds all tables. Must be called first. */
    void find() throws DiskException, IOException {
        long[] end = {header.snapshotsOffset()};
        List<InternalSnapshot> snapshots = InternalSnapshot.read(header, file, end);
        snapshotsEnd = end[0];
        l1Tables.add(new L1("L1 table", header.l1Offset(), header.l1Entries()));
        for (int i = 0; i < snapshots.size(); i++) {
            InternalSnapshot snapshot = snapshots.get(i);
            l1Tables.add(new L1(
                    "L1 table of snapshot " + (snapshot.name() == null ? i : snapshot.name()),
                    snapshot.l1Offset(),
                    snapshot.l1Entries()));
        }
        if (overlap()) {
            return;
        }
        for (L1 l1 : l1Tables) {
            if (l1.entries > 0
                    && (!visitor.mayRead(l1.name, -1, l1.offset, l1.offset, l1.entries * (long) Qcow2Entry.L1_BYTES)
                            || !visitor.goesOn(l1.entries * (long) Qcow2Entry.L1_BYTES)
                            || !find(l1))) {
                return;
            }
        }
        l2Tables.merge();
        reaches = new long[2 * Math.min(l2Tables.count(), MOST_REACHES)];
    }

    /** Whether two L1 tables share space: then each could be read as often as the image has snapshots. */
    private boolean overlap() {
        List<L1> sorted = new ArrayList<>(l1Tables);
        sorted.removeIf(l1 -> l1.entries == 0);
        sorted.sort((a, b) -> Long.compare(a.offset, b.offset));
        for (int i = 1; i < sorted.size(); i++) {
            L1 before = sorted.get(i - 1);
            if (before.offset + before.entries * (long) Qcow2Entry.L1_BYTES > sorted.get(i).offset) {
                visitor.problem(
                        sorted.get(i).name,
                        sorted.get(i).offset,
                        "a table that begins in " + before.name,
                        "one of its own");
                return true;
            }
        }
        return false;
    }

    private boolean find(L1 l1) throws DiskException, IOException {
        ByteBuffer piece = ByteBuffer.allocate(Math.min(PIECE, l1.entries * Qcow2Entry.L1_BYTES));
        String entryName = l1.name + " entry";
        for (int first = 0; first < l1.entries; first += PIECE / Qcow2Entry.L1_BYTES) {
            Interruption.check(file.path());
            int count = Math.min(PIECE / Qcow2Entry.L1_BYTES, l1.entries - first);
            file.readFully(
                    piece.clear().limit(count * Qcow2Entry.L1_BYTES), l1.offset + first * (long) Qcow2Entry.L1_BYTES);
            for (int i = 0; i < count; i++) {
                long offset = Qcow2Entry.offset(piece.getLong(i * Qcow2Entry.L1_BYTES));
                long at = l1.offset + (first + i) * (long) Qcow2Entry.L1_BYTES;
                if (offset != 0
                        && visitor.mayRead(entryName, first + i, at, offset, clusterSize)
                        && !l2Tables.add(offset)) {
                    visitor.problem(
                            entryName + " " + (first + i),
                            at,
                            "more L2 tables than " + TablesInUse.MOST,
                            "as many as one L1 table can have");
                    return false;
                }
            }
            if (!visitor.goesOn(0)) {
                return false;
            }
        }
        long twice = l2Tables.endOfL1();
        if (twice != 0) {
            visitor.problem(
                    l1.name,
                    l1.offset,
                    String.format("two entries that point at the L2 table 0x%x", twice),
                    "one at most");
        }
        return twice == 0;
    }

    /** Returns the L2 tables that {@link #find} has found. */
    TablesInUse l2Tables() {
        return l2Tables;
    }

    /** Whether an L2 table that has been visited may refer to a place that is of interest now. */
    boolean wants(int table) {
        return table * 2 >= reaches.length
                || reaches[table * 2 + 1] == 0
                || visitor.wants(reaches[table * 2], reaches[table * 2 + 1]);
    }

    /** Reports all references. */
    void visit() throws DiskException, IOException {
        visitor.refers("header", -1, 0, 0, clusterSize, true, 1);
        visitor.refers(
                "refcount table",
                -1,
                Qcow2Header.AT_REFCOUNT_TABLE,
                counts.tableOffset(),
                (long) counts.tableClusters() * clusterSize,
                true,
                1);
        long[] table = counts.table();
        for (int i = 0; i < table.length; i++) {
            if (table[i] != 0) {
                visitor.refers(
                        "refcount table entry",
                        i,
                        counts.tableOffset() + i * (long) Refcounts.TABLE_ENTRY_BYTES,
                        table[i],
                        clusterSize,
                        true,
                        1);
            }
        }
        if (header.snapshots() > 0) {
            visitor.refers(
                    "snapshot table",
                    -1,
                    64,
                    header.snapshotsOffset(),
                    snapshotsEnd - header.snapshotsOffset(),
                    true,
                    1);
        }
        bitmaps();
        for (L1 l1 : l1Tables) {
            if (l1.entries > 0) {
                visitor.refers(l1.name, -1, l1.offset, l1.offset, l1.entries * (long) Qcow2Entry.L1_BYTES, true, 1);
            }
        }
        ByteBuffer l2 = ByteBuffer.allocate(clusterSize);
        for (int i = 0; i < l2Tables.count() && visitor.goesOn(0); i++) {
            visitor.refers(
                    "L1 entry for L2 table",
                    i,
                    header.l1Offset(),
                    l2Tables.offset(i),
                    clusterSize,
                    true,
                    l2Tables.times(i));
            if (wants(i)) {
                Interruption.check(file.path());
                if (!visitor.goesOn(clusterSize)) {
                    return;
                }
                if (reader.read(l2, l2Tables.offset(i))) {
                    entries(l2, i);
                }
            }
        }
    }

    private void entries(ByteBuffer l2, int table) {
        boolean external = header.has(Qcow2Header.EXTERNAL_DATA);
        long tableOffset = l2Tables.offset(table);
        int times = l2Tables.times(table);
        long first = Long.MAX_VALUE;
        long last = 1;
        for (int i = 0; i < header.l2Entries(); i++) {
            int at = i * header.l2EntryBytes();
            long entry = l2.getLong(at);
            long from;
            long length = clusterSize;
            if (Qcow2Entry.compressed(entry)) {
                long stream = Qcow2Entry.compressedOffset(entry, header.clusterBits());
                from = Alignment.down(stream, clusterSize);
                length = stream + Qcow2Entry.compressedLength(entry, header.clusterBits()) - from;
            } else if (Qcow2Entry.offset(entry) != 0 && !external) {
                from = Qcow2Entry.offset(entry);
            } else {
                continue;
            }
            visitor.data();
            visitor.refers("L2 entry", i, tableOffset + at, from, length, !Qcow2Entry.compressed(entry), times);
            first = Math.min(first, from);
            last = Math.max(last, from + length);
            if (!visitor.goesOn(0)) {
                return;
            }
        }
        if (table * 2 < reaches.length) {
            reaches[table * 2] = first;
            reaches[table * 2 + 1] = last;
        }
    }

    /** The bitmaps extension and the directory that it points at; qcow2.txt, "Bitmaps". */
    private void bitmaps() throws DiskException, IOException {
        byte[] extension = header.extensions().get(Qcow2Header.EXT_BITMAPS);
        if (extension == null
                || extension.length < BitmapDirectory.EXTENSION_BYTES
                || (header.autoclear() & Qcow2Header.BITMAPS) == 0) {
            return;
        }
        ByteBuffer e = ByteBuffer.wrap(extension);
        long directoryBytes = e.getLong(BitmapDirectory.AT_DIRECTORY_BYTES);
        long directory = e.getLong(BitmapDirectory.AT_DIRECTORY);
        if (directoryBytes < 0 || directoryBytes > MOST_BITMAP_BYTES) {
            visitor.problem(
                    "bitmap directory size",
                    header.length(),
                    Long.toUnsignedString(directoryBytes),
                    "at most " + MOST_BITMAP_BYTES);
            return;
        }
        visitor.refers("bitmap directory", -1, header.length(), directory, directoryBytes, true, 1);
        if (!visitor.mayRead("bitmap directory", -1, header.length(), directory, directoryBytes)
                || !visitor.goesOn(directoryBytes)) {
            return;
        }
        ByteBuffer entry = ByteBuffer.allocate(BitmapEntry.FIXED);
        long tables = 0;
        for (long at = 0; at + BitmapEntry.FIXED <= directoryBytes; ) {
            Interruption.check(file.path());
            file.readFully(entry.clear(), directory + at);
            long tableBytes =
                    Integer.toUnsignedLong(entry.getInt(BitmapEntry.AT_TABLE_ENTRIES)) * BitmapEntry.TABLE_ENTRY_BYTES;
            int name = Short.toUnsignedInt(entry.getShort(BitmapEntry.AT_NAME_BYTES));
            long extra = Integer.toUnsignedLong(entry.getInt(BitmapEntry.AT_EXTRA_BYTES));
            tables += tableBytes;
            if (tables > MOST_BITMAP_BYTES || extra > directoryBytes) {
                visitor.problem(
                        "bitmap directory entry",
                        directory + at,
                        tables / BitmapEntry.TABLE_ENTRY_BYTES + " table entries",
                        "at most " + MOST_BITMAP_BYTES / BitmapEntry.TABLE_ENTRY_BYTES + " of all bitmaps");
                return;
            }
            if (!bitmap(directory + at, entry.getLong(BitmapEntry.AT_TABLE), (int) tableBytes)) {
                return;
            }
            at += Alignment.up(BitmapEntry.FIXED + extra + name, Long.BYTES);
        }
    }

    private boolean bitmap(long entryAt, long tableOffset, int tableBytes) throws IOException {
        visitor.refers("bitmap table", -1, entryAt, tableOffset, tableBytes, true, 1);
        if (!visitor.mayRead("bitmap table", -1, entryAt, tableOffset, tableBytes) || !visitor.goesOn(tableBytes)) {
            return false;
        }
        ByteBuffer piece = ByteBuffer.allocate(Math.min(PIECE, tableBytes));
        for (int first = 0; first < tableBytes; first += PIECE) {
            int bytes = Math.min(PIECE, tableBytes - first);
            file.readFully(piece.clear().limit(bytes), tableOffset + first);
            for (int i = 0; i < bytes; i += BitmapEntry.TABLE_ENTRY_BYTES) {
                long data = Qcow2Entry.offset(piece.getLong(i));
                if (data != 0) {
                    visitor.refers(
                            "bitmap table entry",
                            (first + i) / BitmapEntry.TABLE_ENTRY_BYTES,
                            tableOffset + first + i,
                            data,
                            clusterSize,
                            true,
                            1);
                }
            }
        }
        return true;
    }
}
