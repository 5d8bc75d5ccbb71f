package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;

/** All that refers to clusters in an image that nobody writes: header, counts, snapshots, bitmaps, tables. Blocking. */
final class References {
    /** Who wants to know. */
    interface Visitor {
        /**
         * Something refers to bytes {@code [offset, offset + length)}, which need not be inside the file.
         *
         * @param structure what refers to them
         * @param entry which one of it, or -1 if there is but one
         * @param at where it is
         * @param cluster whether the offset has to be that of a cluster
         * @return whether a table may be read there
         */
        boolean refers(String structure, int entry, long at, long offset, long length, boolean cluster);

        /** An L2 entry that has data is going to be told. */
        void data();

        /** Something cannot be followed. */
        void problem(String structure, long at, Object found, Object expected);

        /** Before so many bytes of tables are read. @return whether to go on */
        boolean goesOn(long bytes);
    }

    private final Qcow2Header header;
    private final IoFile file;
    private final Refcounts counts;
    private final Visitor visitor;
    private final int clusterSize;

    References(Qcow2Header header, IoFile file, Refcounts counts, Visitor visitor) {
        this.header = header;
        this.file = file;
        this.counts = counts;
        this.visitor = visitor;
        clusterSize = header.clusterSize();
    }

    void visit() throws DiskException, IOException {
        visitor.refers("header", -1, 0, 0, clusterSize, true);
        visitor.refers("refcount table", -1, Qcow2Header.AT_REFCOUNT_TABLE, counts.tableOffset(),
                (long) counts.tableClusters() * clusterSize, true);
        long[] table = counts.table();
        for (int i = 0; i < table.length; i++) {
            if (table[i] != 0) {
                visitor.refers("refcount table entry", i, counts.tableOffset() + i * 8L, table[i], clusterSize, true);
            }
        }
        long[] snapshotsEnd = {header.snapshotsOffset()};
        List<Snapshot> snapshots = Snapshot.read(header, file, snapshotsEnd);
        if (!snapshots.isEmpty()) {
            visitor.refers("snapshot table", -1, 64, header.snapshotsOffset(), snapshotsEnd[0] - header.snapshotsOffset(), true);
        }
        bitmaps();
        tables("L1 table", header.l1Offset(), header.l1Entries());
        for (Snapshot snapshot : snapshots) {
            tables("L1 table of snapshot " + snapshot.name(), snapshot.l1Offset(), snapshot.l1Entries());
        }
    }

    /** The bitmaps extension: u32 count, u32 reserved, u64 directory size, u64 directory offset; qcow2.txt, "Bitmaps". */
    private void bitmaps() throws IOException {
        byte[] extension = header.extensions().get(Qcow2Header.EXT_BITMAPS);
        if (extension == null || extension.length < 24 || (header.autoclear() & Qcow2Header.BITMAPS) == 0) {
            return;
        }
        ByteBuffer e = ByteBuffer.wrap(extension);
        long directoryBytes = e.getLong(8);
        long directory = e.getLong(16);
        if (directoryBytes < 0 || directoryBytes > 64 << 20) {
            visitor.problem("bitmap directory size", header.length(), Long.toUnsignedString(directoryBytes), "at most 64 MiB");
            return;
        }
        visitor.refers("bitmap directory", -1, header.length(), directory, directoryBytes, true);
        if (!visitor.goesOn(directoryBytes)) {
            return;
        }
        ByteBuffer entries = ByteBuffer.allocate((int) directoryBytes);
        file.readFully(entries, directory);
        for (int at = 0; at + 24 <= directoryBytes; ) {
            long tableOffset = entries.getLong(at);
            long tableEntries = Integer.toUnsignedLong(entries.getInt(at + 8));
            int name = Short.toUnsignedInt(entries.getShort(at + 18));
            int extra = entries.getInt(at + 20);
            if (tableEntries > 8 << 20 || extra < 0 || extra > directoryBytes) {
                visitor.problem("bitmap directory entry", directory + at, tableEntries + " table entries", "at most " + (8 << 20));
                return;
            }
            visitor.refers("bitmap table", -1, directory + at, tableOffset, tableEntries * 8, true);
            if (!visitor.goesOn(tableEntries * 8)) {
                return;
            }
            ByteBuffer table = ByteBuffer.allocate((int) tableEntries * 8);
            file.readFully(table, tableOffset);
            for (int i = 0; i < tableEntries; i++) {
                long data = Qcow2Entry.offset(table.getLong(i * 8));
                if (data != 0) {
                    visitor.refers("bitmap table entry", i, tableOffset + i * 8L, data, clusterSize, true);
                }
            }
            at += 24 + extra + name + 7 & ~7;
        }
    }

    private void tables(String what, long l1Offset, int l1Entries) throws IOException {
        if (l1Entries == 0) {
            return;
        }
        visitor.refers(what, -1, l1Offset, l1Offset, l1Entries * 8L, true);
        if (!visitor.goesOn(l1Entries * 8L)) {
            return;
        }
        String entryName = what + " entry";
        ByteBuffer l1 = ByteBuffer.allocate(l1Entries * 8);
        file.readFully(l1, l1Offset);
        ByteBuffer l2 = ByteBuffer.allocate(clusterSize);
        for (int slot = 0; slot < l1Entries && visitor.goesOn(0); slot++) {
            long offset = Qcow2Entry.offset(l1.getLong(slot * 8));
            if (offset != 0 && visitor.refers(entryName, slot, l1Offset + slot * 8L, offset, clusterSize, true)) {
                if (!visitor.goesOn(clusterSize)) {
                    return;
                }
                file.readFully(l2.clear(), offset);
                entries(l2, offset);
            }
        }
    }

    private void entries(ByteBuffer l2, long tableOffset) {
        boolean external = header.has(Qcow2Header.EXTERNAL_DATA);
        for (int i = 0; i < header.l2Entries() && visitor.goesOn(0); i++) {
            int at = i * header.l2EntryBytes();
            long entry = l2.getLong(at);
            if (Qcow2Entry.compressed(entry)) {
                visitor.data();
                long from = Qcow2Entry.compressedOffset(entry, header.clusterBits());
                int length = Qcow2Entry.compressedLength(entry, header.clusterBits());
                visitor.refers("L2 entry", i, tableOffset + at, from & -clusterSize, from + length - (from & -clusterSize), false);
            } else if (Qcow2Entry.offset(entry) != 0 && !external) {
                visitor.data();
                visitor.refers("L2 entry", i, tableOffset + at, Qcow2Entry.offset(entry), clusterSize, true);
            }
        }
    }
}
