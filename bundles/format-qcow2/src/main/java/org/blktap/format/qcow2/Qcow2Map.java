package org.blktap.format.qcow2;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Allocation;
import org.blktap.image.ClusterMap;
import org.blktap.image.DirtyTables;
import org.blktap.image.InFlight;
import org.blktap.image.Mapping;
import org.blktap.image.Table;

/**
 * How the tables of qcow2 change. What an entry points at with a count of one is changed in place; tables and clusters that snapshots share
 * are copied. With extended entries all this holds for the 32 subclusters of a cluster.
 */
final class Qcow2Map implements ClusterMap {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");
    /** What the bits of a cluster are whose subclusters are all marked as zeros. */
    private static final long ALL_ZERO = Qcow2Tables.ALL_ALLOCATED << 32;

    private enum Change { DATA, MARK_ZERO, RELEASE }

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
    private final Qcow2Tables tables;

    /**
     * @param l1Offset of the L1 table: the active one, or a snapshot's
     * @param dataFile the external data file, or null
     * @param counts null for reading only
     */
    Qcow2Map(Qcow2Header header, long l1Offset, int l1Entries, IoFile file, IoFile dataFile, Refcounts counts, IoLoop loop,
            NativeMemory memory, long cacheBytes) throws DiskException {
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
        tables = new Qcow2Tables(header, l1Offset, l1Entries, file, dataFile, space, memory, cacheBytes);
    }

    /** Finds free clusters, for an image that is going to be written. Blocking, not on the loop. */
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

    @Override
    public InFlight inFlight() {
        return space.inFlight();
    }

    @Override
    public void lookup(long offset, long length, Mapping into) {
        tables.lookup(offset, length, into);
    }

    // ---- decisions

    @Override
    public int allocate(long offset, long length, Allocation into) {
        return change(offset, length, Change.DATA, 0, 0, into);
    }

    @Override
    public int markZero(long offset, long length, Allocation into) {
        // a raw external data file has to hold the zeros itself
        boolean marks = header.version() >= 3 && (header.autoclear() & Qcow2Header.RAW_EXTERNAL) == 0;
        return marks ? change(offset, length, Change.MARK_ZERO, 0, 0, into) : REFUSED;
    }

    @Override
    public int release(long offset, long length, boolean zeros, Allocation into) {
        boolean shows = header.backingName() != null;
        if (external || header.version() == 2 && shows || space.isOverwhelmed()) {
            return REFUSED;
        }
        int slot = (int) (offset >>> tables.slotBits);
        long inSlot = offset & tables.slotMask;
        long l2 = Qcow2Entry.offset(tables.directory(slot));
        if (l2 == 0) {
            into.marks(offset, Math.min(length, tables.slotMask + 1 - inSlot));
            return zeros && shows ? REFUSED : NOTHING;
        }
        Table table = tables.l2Tables.get(l2);
        int index = (int) (inSlot >>> clusterBits);
        long entry = tables.entry(table, index);
        long bits = tables.bits(table, index);
        boolean mark = header.version() >= 3 && (zeros || shows);
        long wantedEntry = mark && !extended ? Qcow2Entry.ZERO : 0;
        long wantedBits = mark && extended ? ALL_ZERO : 0;
        if (Qcow2Entry.offset(entry) == 0 && !Qcow2Entry.compressed(entry)) {
            int count = alike(table, index, offset, length, entry, bits);
            into.marks(offset, Math.min(length, (long) count * clusterSize));
            return !zeros || entry == wantedEntry && bits == wantedBits || !shows && bits == 0 ? NOTHING : REFUSED;
        }
        return change(offset, length, Change.RELEASE, wantedEntry, wantedBits, into);
    }

    private int change(long offset, long length, Change kind, long released, long releasedBits, Allocation into) {
        int slot = (int) (offset >>> tables.slotBits);
        long inSlot = offset & tables.slotMask;
        long directory = tables.directory(slot);
        long l2 = Qcow2Entry.offset(directory);
        Table table = l2 == 0 ? null : tables.l2Tables.get(l2);
        int first = (int) (inSlot >>> clusterBits);
        long entry = table == null ? 0 : tables.entry(table, first);
        long bits = table == null ? 0 : tables.bits(table, first);
        if (kind == Change.MARK_ZERO && extended && Qcow2Entry.compressed(entry)) {
            return REFUSED;
        }
        if (!external && !Qcow2Entry.compressed(entry) && Qcow2Entry.offset(entry) != 0 && !tables.isCluster(entry, offset, first)) {
            return REFUSED;
        }
        boolean newTable = l2 == 0 || !Qcow2Entry.copied(directory);
        if (newTable && !tables.l2Tables.hasRoom()) {
            return into.noTable(tables.l2Tables);
        }
        Table created = newTable ? tables.l2Tables.create(space.reserve(clusterSize)) : null;
        if (newTable && created == null) {
            return into.noTable(tables.l2Tables);
        }
        int count = table == null ? (int) ((inSlot + Math.min(length, tables.slotMask + 1 - inSlot) - 1 >>> clusterBits) - first + 1)
                : kind == Change.RELEASE || !hasCluster(entry) && bits == 0 ? alike(table, first, offset, length, entry, bits) : 1;
        if (kind == Change.DATA && !external && !hasOwn(entry)) {
            count = (int) (space.inOnePiece((long) count * clusterSize) >> clusterBits);
        }
        long start = offset & -clusterSize;
        long covered = Math.min(length, start + (long) count * clusterSize - offset);
        switch (kind) {
            case DATA -> place(offset, covered, count, entry, bits, into);
            case MARK_ZERO -> into.marks(offset, covered);
            case RELEASE -> into.releases(offset, covered, released, releasedBits);
        }
        into.entries(first, count, entry, bits);
        if (newTable) {
            if (table == null) {
                tables.made(slot);
            } else {
                Memory.copy(table.address(), created.address(), clusterSize);
                // what the other entries say must not be lost
                into.needsBarrier();
            }
            into.inNewTable(created, slot, directory);
            into.room(space.file(), space.end());
            long slotStart = offset & ~tables.slotMask;
            into.busy(slotStart, slotStart + tables.slotMask + 1);
            enter(into);
        } else {
            tables.l2Tables.pin(table);
            into.inTable(table);
            into.busy(start, start + (long) count * clusterSize);
        }
        return ALLOCATED;
    }

    /**
     * How many entries from the first on can be changed together: those that have nothing, or the same mark of zeros, or clusters that follow
     * each other in the file.
     */
    private int alike(Table table, int first, long offset, long length, long entry, long bits) {
        int count = 1;
        if (Qcow2Entry.compressed(entry)) {
            return count;
        }
        long step = Qcow2Entry.offset(entry) == 0 ? 0 : clusterSize;
        long end = (offset & tables.slotMask) + length;
        while (first + count < header.l2Entries() && (long) (first + count) * clusterSize < end
                && tables.entry(table, first + count) == entry + count * step && tables.bits(table, first + count) == bits
                && (step == 0 || tables.isCluster(entry + count * step, offset, first + count))) {
            count++;
        }
        return count;
    }

    private static boolean hasCluster(long entry) {
        return Qcow2Entry.compressed(entry) || Qcow2Entry.offset(entry) != 0;
    }

    /** Whether the entry has a cluster of its own, in which bytes may be put. */
    private static boolean hasOwn(long entry) {
        return Qcow2Entry.copied(entry) && !Qcow2Entry.compressed(entry) && Qcow2Entry.offset(entry) != 0;
    }

    /** Decides where data goes: to the cluster that the entry has for itself, or to new ones. */
    private void place(long offset, long covered, int count, long entry, long bits, Allocation into) {
        long inCluster = offset & clusterSize - 1 & -unit;
        if (external) {
            into.place(offset, covered, dataFile, offset & -unit);
            into.dirtySpace();
        } else if (hasOwn(entry)) {
            // zeros with a cluster of their own, or more subclusters of one that is there
            into.place(offset, covered, dataFile, Qcow2Entry.offset(entry) + inCluster);
            into.dirtySpace();
        } else {
            long at = space.reserve((long) count * clusterSize);
            boolean moves = movesWhole(entry, bits);
            into.place(offset, covered, dataFile, moves ? at : at + inCluster);
            into.room(space.file(), space.end());
            if (moves) {
                // with all its other subclusters, whatever the written one was
                into.unit(clusterSize);
                into.dirtySpace();
            }
        }
    }

    /** Whether all of a cluster is copied, though smaller units could be written: it is compressed, or its subclusters are shared. */
    private boolean movesWhole(long entry, long bits) {
        return extended && !external && (Qcow2Entry.compressed(entry) || (bits & Qcow2Tables.ALL_ALLOCATED) != 0 && !hasOwn(entry));
    }

    // ---- entries

    /** Puts an allocation's entries into its table. */
    private void enter(Allocation a) {
        for (int i = 0; i < a.entries(); i++) {
            int index = a.firstEntry() + i;
            long host = (a.fileOffset() & -clusterSize) + (long) i * clusterSize | Qcow2Entry.COPIED;
            if (a.releases()) {
                tables.put(a.table(), index, a.released(), a.releasedBits());
            } else if (!extended) {
                tables.put(a.table(), index, a.hasData() ? host : Qcow2Entry.ZERO, 0);
            } else if (!a.hasData()) {
                long touched = touched(a, i);
                tables.put(a.table(), index, a.previous(), a.previousBits() & ~touched | touched << 32);
            } else if (movesWhole(a.previous(), a.previousBits())) {
                tables.put(a.table(), index, host, Qcow2Tables.ALL_ALLOCATED);
            } else {
                long touched = touched(a, i);
                tables.put(a.table(), index, host, a.previousBits() & ~(touched << 32) | touched);
            }
        }
    }

    /** The bits of the subclusters of entry {@code i} that an allocation covers. */
    private long touched(Allocation a, int i) {
        long clusterStart = (a.offset() & -clusterSize) + (long) i * clusterSize;
        int from = (int) Math.max(0, a.offset() - clusterStart) / unit;
        int to = (int) ((Math.min(clusterSize, a.offset() + a.length() - clusterStart) + unit - 1) / unit);
        return Qcow2Entry.subclusters(from, to);
    }

    @Override
    public void commit(Allocation allocation, DirtyTables dirty) {
        if (allocation.newTable()) {
            setDirectory(allocation, allocation.table().fileOffset() | Qcow2Entry.COPIED, dirty);
        } else {
            enter(allocation);
            dirty.mark(allocation.table(), allocation.firstEntry() * entryBytes, allocation.entries() * entryBytes);
        }
    }

    private void setDirectory(Allocation allocation, long value, DirtyTables dirty) {
        tables.l1.putLongBig(allocation.directoryEntry() * 8, value);
        dirty.mark(tables.l1, allocation.directoryEntry() * 8, 8);
    }

    @Override
    public void undo(Allocation allocation, DirtyTables dirty) {
        if (allocation.newTable()) {
            setDirectory(allocation, allocation.previousDirectory(), dirty);
            return;
        }
        long previous = allocation.previous();
        long step = Qcow2Entry.compressed(previous) || Qcow2Entry.offset(previous) == 0 ? 0 : clusterSize;
        for (int i = 0; i < allocation.entries(); i++) {
            tables.put(allocation.table(), allocation.firstEntry() + i, previous + i * step, allocation.previousBits());
        }
        dirty.mark(allocation.table(), allocation.firstEntry() * entryBytes, allocation.entries() * entryBytes);
    }

    @Override
    public void settled(Allocation allocation, boolean kept) {
        allocation.releaseTable(kept);
        if (!kept) {
            return;
        }
        long table = Qcow2Entry.offset(allocation.previousDirectory());
        if (allocation.newTable() && table != 0) {
            space.free(table, table + clusterSize);
        }
        freeOld(allocation);
    }

    /** Frees what the entries pointed at before, unless they still point there. */
    private void freeOld(Allocation allocation) {
        long old = allocation.previous();
        if (external) {
            return;
        }
        if (Qcow2Entry.compressed(old)) {
            long from = Qcow2Entry.compressedOffset(old, clusterBits);
            space.freeCompressed(from, from + Qcow2Entry.compressedLength(old, clusterBits));
            return;
        }
        long from = Qcow2Entry.offset(old);
        boolean lost = allocation.releases() || !hasOwn(old) && (allocation.hasData() || !extended);
        if (from != 0 && lost) {
            space.free(from, from + (long) allocation.entries() * clusterSize);
        }
    }

    // ---- space

    @Override
    public int takeFlushError() {
        return space.takeFlushError();
    }

    @Override
    public void whenIdle(Runnable task) {
        space.whenIdle(task);
    }

    @Override
    public void flushing() {
        space.flushing();
    }

    @Override
    public void flushed(IoCallback done) {
        space.flushed(done);
    }

    @Override
    public void close() {
        try {
            space.close();
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
