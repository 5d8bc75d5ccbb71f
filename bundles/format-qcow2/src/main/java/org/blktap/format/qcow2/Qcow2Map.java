package org.blktap.format.qcow2;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Allocation;
import org.blktap.image.Answer;
import org.blktap.image.ClusterMap;
import org.blktap.image.Compression;
import org.blktap.image.Deflate;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.EntryChange.Kind;
import org.blktap.image.Place;
import org.blktap.image.Space;
import org.blktap.image.Table;

/**
 * Decides how the tables of qcow2 change. Tables and clusters with a count of one are changed in place; those that
 * snapshots share are copied. With extended entries all this holds for the 32 subclusters of a cluster.
 */
final class Qcow2Map implements ClusterMap {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");
    /** The bits of a cluster whose subclusters are all marked as zeros. */
    private static final long ALL_ZERO = Qcow2Lookup.ALL_ALLOCATED << 32;

    private final Qcow2Header header;
    private final IoFile file;
    /** The file with the data: the image, or the external data file. */
    private final IoFile dataFile;

    private final boolean external;
    private final boolean extended;
    private final int clusterBits;
    private final int clusterSize;
    private final int unit;
    private final int entryBytes;
    private final Qcow2Space space;
    private final Qcow2Lookup tables;
    private boolean settled;

    /**
     * @param l1Offset of the L1 table: the active one, or a snapshot's
     * @param dataFile the external data file, or null
     * @param counts null for reading only
     */
    Qcow2Map(
            Qcow2Header header,
            long l1Offset,
            int l1Entries,
            IoFile file,
            IoFile dataFile,
            Refcounts counts,
            IoLoop loop,
            NativeMemory memory,
            long cacheBytes)
            throws DiskException {
        this.header = header;
        this.file = file;
        this.external = dataFile != null;
        this.dataFile = external ? dataFile : file;
        extended = header.has(Qcow2Header.EXTENDED_L2);
        clusterBits = header.clusterBits();
        clusterSize = header.clusterSize();
        unit = header.unit();
        entryBytes = header.l2EntryBytes();
        space = new Qcow2Space(header, file, loop, counts);
        tables = new Qcow2Lookup(header, l1Offset, l1Entries, file, dataFile, space, memory, cacheBytes);
    }

    /** Finds free clusters, before an image is written. Blocking, not on the loop. */
    void findFree() {
        space.look(header);
    }

    @Override
    public int clusterSize() {
        return unit;
    }

    @Override
    public int largestUnit() {
        return clusterSize;
    }

    /** A compressed cluster is shorter than a plain one, and its length is in sectors. */
    @Override
    public Compression compression() {
        return new Compression(
                clusterSize + SECTOR, header.compressionType() == Qcow2Header.ZSTD ? Zstd::new : Deflate::new);
    }

    @Override
    public void find(long offset, long length, Place into) {
        tables.find(offset, length, into);
    }

    // ---- decisions

    @Override
    public Answer allocate(Place found, long length, Allocation into) {
        return change(found, length, Kind.DATA, into);
    }

    @Override
    public Answer markZero(Place found, long length, Allocation into) {
        // a raw external data file must hold the zeros itself
        boolean marks = header.version() >= 3 && (header.autoclear() & Qcow2Header.RAW_EXTERNAL) == 0;
        if (!marks || extended && Qcow2Entry.compressed(found.entry())) {
            return Answer.REFUSED;
        }
        into.change().become(Qcow2Entry.ZERO, 0);
        return change(found, length, Kind.ZEROS, into);
    }

    @Override
    public Answer release(Place found, long length, boolean zeros, Allocation into) {
        boolean shows = header.backingName() != null;
        if (external || header.version() == 2 && shows || space.isOverwhelmed()) {
            return Answer.REFUSED;
        }
        long offset = found.offset();
        if (found.table() == null) {
            into.change()
                    .covers(Kind.RELEASED, offset, Math.min(length, tables.slotMask + 1 - (offset & tables.slotMask)));
            return zeros && shows ? Answer.REFUSED : Answer.NOTHING;
        }
        boolean mark = header.version() >= 3 && (zeros || shows);
        long wantedEntry = mark && !extended ? Qcow2Entry.ZERO : 0;
        long wantedBits = mark && extended ? ALL_ZERO : 0;
        if (!hasCluster(found.entry())) {
            into.change().covers(Kind.RELEASED, offset, Math.min(length, (long) alike(found, length) * clusterSize));
            boolean isWanted = found.entry() == wantedEntry && found.bits() == wantedBits;
            return !zeros || isWanted || !shows && found.bits() == 0 ? Answer.NOTHING : Answer.REFUSED;
        }
        into.change().become(wantedEntry, wantedBits);
        return change(found, length, Kind.RELEASED, into);
    }

    private Answer change(Place found, long length, Kind kind, Allocation into) {
        long offset = found.offset();
        long entry = found.entry();
        int first = (int) ((offset & tables.slotMask) >>> clusterBits);
        if (!external
                && !Qcow2Entry.compressed(entry)
                && Qcow2Entry.offset(entry) != 0
                && !tables.isCluster(entry, offset, first)) {
            return Answer.REFUSED;
        }
        boolean newTable = found.table() == null || !Qcow2Entry.copied(found.directory());
        Table created = newTable ? newTable(found) : null;
        if (newTable && created == null) {
            return into.noTable(tables.l2Tables);
        }
        int count = count(found, length, kind);
        long start = Alignment.down(offset, clusterSize);
        EntryChange change = into.change();
        change.covers(kind, offset, Math.min(length, start + (long) count * clusterSize - offset));
        change.entries(first, count, entry, found.bits());
        if (kind == Kind.DATA) {
            place(found, count, into);
        }
        if (newTable) {
            if (found.table() == null) {
                tables.made(found.slot());
            } else {
                // the other entries of the copied table must not be lost
                into.needsBarrier();
            }
            change.inNewTable(created, found.slot(), found.directory());
            into.room(space.file(), space.end());
            long slotStart = offset & ~tables.slotMask;
            into.busy(slotStart, slotStart + tables.slotMask + 1);
            enter(change);
        } else {
            tables.l2Tables.pin(found.table());
            change.inTable(found.table());
            into.busy(start, start + (long) count * clusterSize);
        }
        return Answer.ALLOCATED;
    }

    /** Returns an empty table, or a copy of the shared one; null if no table is free. */
    private Table newTable(Place found) {
        Table shared = found.table();
        if (!(shared == null ? tables.l2Tables.hasRoom() : tables.l2Tables.hasRoomBeside(shared))) {
            return null;
        }
        long at = space.reserve(clusterSize);
        return shared == null ? tables.l2Tables.create(at) : tables.l2Tables.copy(shared, at);
    }

    /** Returns how many entries change. */
    private int count(Place found, long length, Kind kind) {
        int count = 1;
        if (found.table() == null) {
            long inSlot = found.offset() & tables.slotMask;
            int first = (int) (inSlot >>> clusterBits);
            count = (int) (inSlot + Math.min(length, tables.slotMask + 1 - inSlot) - 1 >>> clusterBits) - first + 1;
        } else if (kind == Kind.RELEASED || !hasCluster(found.entry()) && found.bits() == 0) {
            count = alike(found, length);
        }
        if (kind == Kind.DATA && !external && !hasOwn(found.entry())) {
            count = (int) (space.inOnePiece((long) count * clusterSize) >> clusterBits);
        }
        return count;
    }

    /**
     * Counts the entries from the first on that can be changed together: all are empty, or marked as zeros, or point at
     * clusters that follow each other in the file.
     */
    private int alike(Place found, long length) {
        long entry = found.entry();
        int count = 1;
        if (Qcow2Entry.compressed(entry)) {
            return count;
        }
        long step = Qcow2Entry.offset(entry) == 0 ? 0 : clusterSize;
        Table table = found.table();
        int first = found.index();
        long end = (found.offset() & tables.slotMask) + length;
        while (first + count < header.l2Entries()
                && (long) (first + count) * clusterSize < end
                && tables.entry(table, first + count) == entry + count * step
                && tables.bits(table, first + count) == found.bits()
                && (step == 0 || tables.isCluster(entry + count * step, found.offset(), first + count))) {
            count++;
        }
        return count;
    }

    private static boolean hasCluster(long entry) {
        return Qcow2Entry.compressed(entry) || Qcow2Entry.offset(entry) != 0;
    }

    /** Whether the entry has a cluster of its own, which may be written in place. */
    private static boolean hasOwn(long entry) {
        return Qcow2Entry.copied(entry) && !Qcow2Entry.compressed(entry) && Qcow2Entry.offset(entry) != 0;
    }

    /** Decides where data goes: to the cluster that the entry has for itself, or to new ones. */
    private void place(Place found, int count, Allocation into) {
        long entry = found.entry();
        long inCluster = Alignment.down(found.offset() & clusterSize - 1, unit);
        long at;
        if (external) {
            at = Alignment.down(found.offset(), clusterSize);
            into.target().used(dataFile, at + inCluster, unit);
        } else if (hasOwn(entry)) {
            // the entry reads as zeros but has a cluster, or lacks subclusters of its cluster
            at = Qcow2Entry.offset(entry);
            into.target().used(dataFile, at + inCluster, unit);
        } else {
            at = space.reserve((long) count * clusterSize);
            into.room(space.file(), space.end());
            if (movesWhole(entry, found.bits())) {
                // the whole cluster is copied, whatever the state of the written subcluster
                into.target().used(dataFile, at, clusterSize);
            } else {
                into.target().fresh(dataFile, at + inCluster, unit);
            }
        }
        into.change().become(at | Qcow2Entry.COPIED, 0);
    }

    /**
     * Whether a cluster is copied as a whole, though smaller units could be written: it is compressed, or its
     * subclusters are shared.
     */
    private boolean movesWhole(long entry, long bits) {
        return extended
                && !external
                && (Qcow2Entry.compressed(entry) || (bits & Qcow2Lookup.ALL_ALLOCATED) != 0 && !hasOwn(entry));
    }

    // ---- entries

    /** Puts the changed entries into their table. */
    private void enter(EntryChange change) {
        for (int i = 0; i < change.count(); i++) {
            int index = change.first() + i;
            long touched = extended ? touched(change, i) : 0;
            switch (change.kind()) {
                case DATA -> {
                    boolean whole = movesWhole(change.previous(), change.previousBits());
                    tables.put(
                            change.table(),
                            index,
                            change.next() + (long) i * clusterSize,
                            whole ? Qcow2Lookup.ALL_ALLOCATED : change.previousBits() & ~(touched << 32) | touched);
                }
                case ZEROS ->
                    tables.put(
                            change.table(),
                            index,
                            extended ? change.previous() : change.next(),
                            change.previousBits() & ~touched | touched << 32);
                case RELEASED -> tables.put(change.table(), index, change.next(), change.nextBits());
            }
        }
    }

    /** The bits of the subclusters of entry {@code i} that a change covers. */
    private long touched(EntryChange change, int i) {
        long clusterStart = Alignment.down(change.offset(), clusterSize) + (long) i * clusterSize;
        int from = (int) Math.max(0, change.offset() - clusterStart) / unit;
        int to = (int) Alignment.units(Math.min(clusterSize, change.offset() + change.length() - clusterStart), unit);
        return Qcow2Entry.subclusters(from, to);
    }

    @Override
    public void commit(EntryChange change, DirtyTables dirty) {
        if (change.newTable()) {
            setDirectory(change.slot(), change.table().fileOffset() | Qcow2Entry.COPIED, dirty);
        } else {
            enter(change);
            mark(change, dirty);
        }
    }

    private void setDirectory(int slot, long value, DirtyTables dirty) {
        tables.l1.putLongBig(slot * Qcow2Entry.L1_BYTES, value);
        dirty.mark(tables.l1, slot * Qcow2Entry.L1_BYTES, Qcow2Entry.L1_BYTES);
    }

    private void mark(EntryChange change, DirtyTables dirty) {
        dirty.mark(change.table(), change.first() * entryBytes, change.count() * entryBytes);
    }

    @Override
    public void undo(EntryChange change, DirtyTables dirty) {
        if (change.newTable()) {
            setDirectory(change.slot(), change.previousDirectory(), dirty);
            return;
        }
        long previous = change.previous();
        long step = Qcow2Entry.compressed(previous) || Qcow2Entry.offset(previous) == 0 ? 0 : clusterSize;
        for (int i = 0; i < change.count(); i++) {
            tables.put(change.table(), change.first() + i, previous + i * step, change.previousBits());
        }
        mark(change, dirty);
    }

    @Override
    public void settled(EntryChange change, boolean kept) {
        change.releaseTable(kept);
        if (!kept) {
            return;
        }
        if (change.newTable()) {
            long shared = Qcow2Entry.offset(change.previousDirectory());
            if (shared != 0) {
                space.free(shared, shared + clusterSize);
            }
        }
        freeOld(change);
    }

    /** Frees what the entries pointed at before, unless they still point there. */
    private void freeOld(EntryChange change) {
        long old = change.previous();
        if (external) {
            return;
        }
        if (Qcow2Entry.compressed(old)) {
            long from = Qcow2Entry.compressedOffset(old, clusterBits);
            space.freeCompressed(from, from + Qcow2Entry.compressedLength(old, clusterBits));
            return;
        }
        long from = Qcow2Entry.offset(old);
        boolean lost = change.kind() == Kind.RELEASED || !hasOwn(old) && (change.kind() == Kind.DATA || !extended);
        if (from != 0 && lost) {
            space.free(from, from + (long) change.count() * clusterSize);
        }
    }

    @Override
    public Space space() {
        return space;
    }

    /** Ends the allocation of clusters: from here on, nothing of the disk changes. Blocking; nothing is in flight. */
    void settle() throws IOException {
        if (!settled) {
            settled = true;
            space.close();
        }
    }

    @Override
    public void close() {
        try {
            settle();
        } catch (IOException e) {
            LOG.log(Level.WARNING, file.path() + ": some space could not be given back: " + e.getMessage());
        } finally {
            tables.close();
            if (external) {
                dataFile.close();
            }
            file.close();
        }
    }
}
