package org.blktap.format.qcow2;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Allocation;
import org.blktap.image.ClusterMap;
import org.blktap.image.DirtyTables;
import org.blktap.image.FileSpace;
import org.blktap.image.Mapping;
import org.blktap.image.PastEnd;
import org.blktap.image.Table;
import org.blktap.image.TableCache;

/**
 * The two-level table of qcow2 (qcow2.txt, "Cluster mapping"). What an entry points at with a count of one is changed in place;
 * tables and clusters that snapshots share are copied. With extended entries all this holds for the 32 subclusters of a cluster.
 */
final class Qcow2Map implements ClusterMap {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");
    private static final int SECTOR = 512;
    /** Of all tables, the number of L1; an L2 table has that of its slot and one. */
    private static final int L1 = 0;
    /** What a subcluster's two bits say. */
    private static final int BITS_NONE = 0;
    private static final int BITS_DATA = 1;
    private static final int BITS_ZERO = 2;
    private static final int BITS_BOTH = 3;
    private static final long ALL_ALLOCATED = 0xffff_ffffL;

    private final Qcow2Header header;
    private final IoFile file;
    private final IoLoop loop;
    /** Where data is: the image, or the external data file. */
    private final IoFile dataFile;
    private final boolean external;
    private final boolean extended;
    private final int clusterBits;
    private final int clusterSize;
    private final int unit;
    private final int slotBits;
    private final long slotMask;
    private final int entryBytes;
    private final NativeBuffer l1Memory;
    private final Table l1;
    private final TableCache l2Tables;
    private final FileSpace space;
    /** Null for an image that is not written. */
    private final Refcounts counts;
    /** Ranges of the file to be counted down once a flush has made sure that nothing points at them. */
    private List<long[]> freed = new ArrayList<>();
    /** Those whose flush is under way. */
    private List<long[]> freeing = new ArrayList<>();
    private final PastEnd pastEnd;
    private boolean corruptTold;

    /**
     * @param l1Offset of the L1 table: the active one, or a snapshot's
     * @param dataFile the external data file, or null
     * @param counts null for reading only
     */
    Qcow2Map(Qcow2Header header, long l1Offset, int l1Entries, IoFile file, IoFile dataFile, Refcounts counts, IoLoop loop,
            NativeMemory memory, long cacheBytes) throws DiskException {
        this.header = header;
        this.file = file;
        this.loop = loop;
        this.external = dataFile != null;
        this.dataFile = external ? dataFile : file;
        this.counts = counts;
        extended = header.has(Qcow2Header.EXTENDED_L2);
        clusterBits = header.clusterBits();
        clusterSize = header.clusterSize();
        unit = extended ? clusterSize / Qcow2Entry.SUBCLUSTERS : clusterSize;
        entryBytes = header.l2EntryBytes();
        slotBits = header.slotBits();
        slotMask = (1L << slotBits) - 1;
        if (l1Entries > 0 && l1Offset + l1Entries * 8L > (file.size() + clusterSize - 1 & -clusterSize)) {
            throw DiskException.corrupt(file.path(), "L1 table", l1Offset, l1Entries + " entries past the end of the file",
                    "a table inside the file of " + file.size() + " bytes");
        }
        int l1Bytes = Math.max(SECTOR, l1Entries * 8 + SECTOR - 1 & -SECTOR);
        l1Memory = memory.allocate(l1Bytes);
        boolean done = false;
        try {
            file.readFully(l1Memory.bytes(0, l1Bytes), l1Offset);
            done = true;
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the L1 table", e);
        } finally {
            if (!done) {
                l1Memory.close();
            }
        }
        l1 = new Table(l1Memory.address(), l1Bytes, file, l1Offset);
        long end = file.size() + clusterSize - 1 & -clusterSize;
        space = new FileSpace(file, loop, end, header.size(), counts);
        l2Tables = new TableCache(memory, file, clusterSize, cacheBytes, l1Entries);
        pastEnd = new PastEnd(space.end());
        pastEnd.look(L1, l1Entries, i -> Qcow2Entry.offset(l1.getLongBig(i * 8)));
    }

    @Override
    public int clusterSize() {
        return unit;
    }

    @Override
    public int largestUnit() {
        return clusterSize;
    }

    private long entry(Table table, int index) {
        return table.getLongBig(index * entryBytes);
    }

    /** The subclusters' bits of an extended entry: low half allocated, high half zeros. */
    private long bits(Table table, int index) {
        return table.getLongBig(index * entryBytes + 8);
    }

    private long hostOffset(long entry) {
        return Qcow2Entry.compressed(entry) ? Qcow2Entry.compressedOffset(entry, clusterBits) : Qcow2Entry.offset(entry);
    }

    /** Whether an L2 entry may be believed: it has not pointed past the end of the file from the beginning. */
    private boolean isFresh(long offset, int index) {
        return !pastEnd.isStale((int) (offset >>> slotBits) + 1, index);
    }

    private boolean isValid(long offset) {
        return offset >= clusterSize && (offset & clusterSize - 1) == 0 && offset < space.end();
    }

    // ---- look-up

    @Override
    public void lookup(long offset, long length, Mapping into) {
        int slot = (int) (offset >>> slotBits);
        long inSlot = offset & slotMask;
        long run = Math.min(length, slotMask + 1 - inSlot);
        long directory = l1.getLongBig(slot * 8);
        long l2 = Qcow2Entry.offset(directory);
        if (l2 == 0) {
            while (run < length && Qcow2Entry.offset(l1.getLongBig(++slot * 8)) == 0) {
                run = Math.min(length, run + slotMask + 1);
            }
            into.unallocated(run);
        } else if (!isValid(l2) || pastEnd.isStale(L1, slot)) {
            corrupt("L1 entry " + slot, l1.fileOffset() + slot * 8L, directory);
            into.corrupt(run);
        } else {
            Table table = l2Tables.get(l2);
            if (table == null) {
                into.notLoaded(l2Tables, l2);
                return;
            }
            if (!external && !pastEnd.hasSeen(slot + 1)) {
                pastEnd.look(slot + 1, header.l2Entries(), i -> hostOffset(entry(table, i)));
            }
            if (extended) {
                subclusters(table, Qcow2Entry.copied(directory), offset, run, into);
            } else {
                clusters(table, Qcow2Entry.copied(directory), offset, run, into);
            }
        }
    }

    private void clusters(Table table, boolean own, long offset, long length, Mapping into) {
        int index = (int) ((offset & slotMask) >>> clusterBits);
        int inCluster = (int) (offset & clusterSize - 1);
        long entry = entry(table, index);
        long run = clusterSize - inCluster;
        if (Qcow2Entry.compressed(entry)) {
            compressed(table, index, offset, entry, Math.min(run, length), into);
            return;
        }
        long at = Qcow2Entry.offset(entry);
        if ((entry & Qcow2Entry.ZERO) != 0 && header.version() >= 3) {
            while (run < length && (entry(table, ++index) & (Qcow2Entry.COMPRESSED | Qcow2Entry.ZERO)) == Qcow2Entry.ZERO) {
                run += clusterSize;
            }
            into.zero(Math.min(run, length));
        } else if (at == 0 && !(external && Qcow2Entry.copied(entry))) {
            while (run < length && isUnallocated(entry(table, ++index))) {
                run += clusterSize;
            }
            into.unallocated(Math.min(run, length));
        } else if (external ? at != (offset & -clusterSize) : !isValid(at) || !isFresh(offset, index)) {
            corrupt("L2 entry " + index, table.fileOffset() + (long) index * entryBytes, entry);
            into.corrupt(Math.min(run, length));
        } else {
            long wanted = entry;
            while (run < length && entry(table, ++index) == (wanted += clusterSize) && (external || isValid(Qcow2Entry.offset(wanted)) && isFresh(offset, index))) {
                run += clusterSize;
            }
            data(own && Qcow2Entry.copied(entry), at + inCluster, Math.min(run, length), into);
        }
    }

    private boolean isUnallocated(long entry) {
        return Qcow2Entry.offset(entry) == 0 && !Qcow2Entry.compressed(entry)
                && (header.version() < 3 || (entry & Qcow2Entry.ZERO) == 0) && !(external && Qcow2Entry.copied(entry));
    }

    private void subclusters(Table table, boolean own, long offset, long length, Mapping into) {
        int index = (int) ((offset & slotMask) >>> clusterBits);
        int inCluster = (int) (offset & clusterSize - 1);
        long entry = entry(table, index);
        long rest = Math.min(length, clusterSize - inCluster);
        if (Qcow2Entry.compressed(entry)) {
            compressed(table, index, offset, entry, rest, into);
            return;
        }
        long bits = bits(table, index);
        int first = inCluster / unit;
        int kind = subcluster(bits, first);
        int last = first + 1;
        while (last < Qcow2Entry.SUBCLUSTERS && (long) last * unit - inCluster < rest && subcluster(bits, last) == kind) {
            last++;
        }
        long run = Math.min(rest, (long) last * unit - inCluster);
        long at = Qcow2Entry.offset(entry);
        if (kind == BITS_ZERO) {
            into.zero(run);
        } else if (kind == BITS_NONE) {
            into.unallocated(run);
        } else if (kind == BITS_BOTH || (external ? at != (offset & -clusterSize) : !isValid(at) || !isFresh(offset, index))) {
            corrupt("L2 entry " + index, table.fileOffset() + (long) index * entryBytes, entry);
            into.corrupt(run);
        } else {
            // whole clusters that follow in the file are one run
            while (run < length && (inCluster + run & clusterSize - 1) == 0
                    && entry(table, ++index) == (entry += clusterSize) && bits(table, index) == ALL_ALLOCATED
                    && (external || isValid(Qcow2Entry.offset(entry)) && isFresh(offset, index))) {
                run = Math.min(length, run + clusterSize);
            }
            data(own && Qcow2Entry.copied(entry), at + inCluster, run, into);
        }
    }

    private static int subcluster(long bits, int i) {
        return (int) (bits >>> i & BITS_DATA | (bits >>> i + 32 & 1) << 1);
    }

    private void data(boolean own, long at, long run, Mapping into) {
        if (own) {
            into.data(dataFile, at, run);
        } else {
            into.shared(dataFile, at, run);
        }
    }

    private void compressed(Table table, int index, long offset, long entry, long run, Mapping into) {
        long at = Qcow2Entry.compressedOffset(entry, clusterBits);
        if (external || at < clusterSize || at >= space.end() || !isFresh(offset, index)) {
            corrupt("L2 entry " + index, table.fileOffset() + (long) index * entryBytes, entry);
            into.corrupt(run);
        } else {
            into.compressed(file, at, Qcow2Entry.compressedLength(entry, clusterBits), (int) (offset & clusterSize - 1), run);
        }
    }

    private void corrupt(String structure, long at, long found) {
        if (!corruptTold) {
            corruptTold = true;
            LOG.log(Level.ERROR, DiskException.corrupt(file.path(), structure, at, String.format("0x%x", found),
                    "a cluster inside the file").getMessage() + "; this range and others like it end with I/O errors");
        }
    }

    // ---- changes

    @Override
    public int allocate(long offset, long length, Allocation into) {
        return change(offset, length, false, into);
    }

    @Override
    public int markZero(long offset, long length, Allocation into) {
        // a raw external data file has to hold the zeros itself
        boolean marks = header.version() >= 3 && (header.autoclear() & Qcow2Header.RAW_EXTERNAL) == 0;
        return marks ? change(offset, length, true, into) : REFUSED;
    }

    private int change(long offset, long length, boolean zeros, Allocation into) {
        int slot = (int) (offset >>> slotBits);
        long directory = l1.getLongBig(slot * 8);
        long l2 = Qcow2Entry.offset(directory);
        Table table = l2 == 0 ? null : l2Tables.get(l2);
        int first = (int) ((offset & slotMask) >>> clusterBits);
        long entry = table == null ? 0 : entry(table, first);
        long bits = table == null || !extended ? 0 : bits(table, first);
        if (zeros && extended && Qcow2Entry.compressed(entry)) {
            return REFUSED;
        }
        boolean newTable = l2 == 0 || !Qcow2Entry.copied(directory);
        if (newTable && !l2Tables.hasRoom()) {
            return into.noTable(l2Tables);
        }
        int count = table == null ? (int) (((offset + Math.min(length, slotMask + 1 - (offset & slotMask)) - 1 & slotMask)
                >>> clusterBits) - first + 1) : alike(table, first, offset, length, entry, bits);
        long start = offset & -clusterSize;
        long covered = Math.min(length, start + (long) count * clusterSize - offset);
        if (zeros) {
            into.marks(offset, covered);
        } else {
            place(offset, covered, count, entry, bits, into);
        }
        into.entries(first, count, entry, bits);
        if (newTable) {
            Table created = l2Tables.create(space.reserve(clusterSize));
            if (table == null) {
                pastEnd.made(slot + 1);
            }
            if (table != null) {
                Memory.copy(table.address(), created.address(), clusterSize);
            }
            into.inNewTable(created, slot, directory);
            into.room(space, space.end());
            long slotStart = offset & ~slotMask;
            into.busy(slotStart, slotStart + slotMask + 1);
            enter(into);
        } else {
            l2Tables.pin(table);
            into.inTable(table);
            into.busy(start, start + (long) count * clusterSize);
        }
        return ALLOCATED;
    }

    /** How many entries from the first on can be changed together: those that have nothing, or nothing but the mark of zeros. */
    private int alike(Table table, int first, long offset, long length, long entry, long bits) {
        if (entry != 0 && !isBareZero(entry) || bits != 0) {
            return 1;
        }
        int count = 1;
        long end = (offset & slotMask) + length;
        while (first + count < header.l2Entries() && (long) (first + count) * clusterSize < end
                && entry(table, first + count) == entry && (!extended || bits(table, first + count) == 0)) {
            count++;
        }
        return count;
    }

    private boolean isBareZero(long entry) {
        return entry == Qcow2Entry.ZERO && header.version() >= 3 && !extended;
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
            into.room(space, space.end());
            if (moves) {
                // with all its other subclusters, whatever the written one was
                into.unit(clusterSize);
                into.dirtySpace();
            }
        }
    }

    /** Whether all of a cluster is copied, though smaller units could be written: it is compressed, or its subclusters are shared. */
    private boolean movesWhole(long entry, long bits) {
        return extended && !external && (Qcow2Entry.compressed(entry) || (bits & ALL_ALLOCATED) != 0 && !hasOwn(entry));
    }

    /** Puts an allocation's entries into its table. */
    private void enter(Allocation a) {
        for (int i = 0; i < a.entries(); i++) {
            int at = (a.firstEntry() + i) * entryBytes;
            long host = (a.fileOffset() & -clusterSize) + (long) i * clusterSize | Qcow2Entry.COPIED;
            if (!extended) {
                a.table().putLongBig(at, a.hasData() ? host : Qcow2Entry.ZERO);
                continue;
            }
            long clusterStart = (a.offset() & -clusterSize) + (long) i * clusterSize;
            int from = (int) Math.max(0, a.offset() - clusterStart) / unit;
            int to = (int) ((Math.min(clusterSize, a.offset() + a.length() - clusterStart) + unit - 1) / unit);
            long touched = Qcow2Entry.subclusters(from, to);
            long bits = a.previousBits();
            if (!a.hasData()) {
                a.table().putLongBig(at + 8, bits & ~touched | touched << 32);
            } else if (movesWhole(a.previous(), bits)) {
                a.table().putLongBig(at, host);
                a.table().putLongBig(at + 8, ALL_ALLOCATED);
            } else {
                a.table().putLongBig(at, host);
                a.table().putLongBig(at + 8, bits & ~(touched << 32) | touched);
            }
        }
    }

    @Override
    public void commit(Allocation allocation, DirtyTables dirty) {
        if (allocation.newTable()) {
            setDirectory(allocation, allocation.table().fileOffset() | Qcow2Entry.COPIED);
            dirty.mark(l1, allocation.directoryEntry() * 8, 8);
        } else {
            enter(allocation);
            dirty.mark(allocation.table(), allocation.firstEntry() * entryBytes, allocation.entries() * entryBytes);
        }
    }

    private void setDirectory(Allocation allocation, long value) {
        l1.putLongBig(allocation.directoryEntry() * 8, value);
    }

    @Override
    public void undo(Allocation allocation, DirtyTables dirty) {
        if (allocation.newTable()) {
            setDirectory(allocation, allocation.previousDirectory());
            dirty.mark(l1, allocation.directoryEntry() * 8, 8);
            return;
        }
        for (int i = 0; i < allocation.entries(); i++) {
            int at = (allocation.firstEntry() + i) * entryBytes;
            allocation.table().putLongBig(at, allocation.previous());
            if (extended) {
                allocation.table().putLongBig(at + 8, allocation.previousBits());
            }
        }
        dirty.mark(allocation.table(), allocation.firstEntry() * entryBytes, allocation.entries() * entryBytes);
    }

    @Override
    public void settled(Allocation allocation, boolean kept) {
        allocation.releaseTable(kept);
        if (!kept) {
            return;
        }
        if (allocation.newTable() && Qcow2Entry.offset(allocation.previousDirectory()) != 0) {
            free(Qcow2Entry.offset(allocation.previousDirectory()), clusterSize);
        }
        freeOld(allocation);
    }

    /** What the entries pointed at before is given free, unless they point there still. */
    private void freeOld(Allocation allocation) {
        long old = allocation.previous();
        if (external) {
            return;
        }
        if (Qcow2Entry.compressed(old)) {
            free(Qcow2Entry.compressedOffset(old, clusterBits), Qcow2Entry.compressedLength(old, clusterBits));
        } else if (Qcow2Entry.offset(old) != 0 && !hasOwn(old) && (allocation.hasData() || !extended)) {
            free(Qcow2Entry.offset(old), clusterSize);
        }
    }

    // ---- what nothing points at any more

    private void free(long offset, long length) {
        freed.add(new long[] {offset & -clusterSize, offset + length + clusterSize - 1 & -clusterSize});
    }

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
        if (freeing.isEmpty()) {
            List<long[]> empty = freeing;
            freeing = freed;
            freed = empty;
        }
    }

    @Override
    public void flushed(IoCallback done) {
        if (freeing.isEmpty()) {
            done.done(0);
            return;
        }
        List<long[]> ranges = freeing;
        freeing = new ArrayList<>();
        // a count that cannot be written stays too high, which harms nothing
        loop.offload(() -> countDown(ranges), error -> done.done(0));
    }

    private int countDown(List<long[]> ranges) throws IOException {
        for (long[] range : ranges) {
            counts.add(range[0], range[1], -1);
        }
        return 0;
    }

    @Override
    public void close() {
        try {
            if (counts != null) {
                List<long[]> unused = space.unused();
                if (!freed.isEmpty() || !freeing.isEmpty() || !unused.isEmpty()) {
                    file.flushNow();
                    countDown(freed);
                    countDown(freeing);
                    countDown(unused);
                    space.trim();
                    file.flushNow();
                }
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, file.path() + ": some space at its end could not be given back: " + e.getMessage());
        } finally {
            l2Tables.close();
            l1Memory.close();
            if (external) {
                dataFile.close();
            }
            file.close();
        }
    }
}
