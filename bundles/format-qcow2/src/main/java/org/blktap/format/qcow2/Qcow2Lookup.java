package org.blktap.format.qcow2;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.lang.System.Logger;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.CorruptionLog;
import org.blktap.image.PastEnd;
import org.blktap.image.Place;
import org.blktap.image.Table;
import org.blktap.image.TableCache;
import org.blktap.image.TableMemory;

/**
 * The two-level table of qcow2, and look-ups in it (qcow2.txt, "Cluster mapping" and "Extended L2 Entries"). Loop only.
 */
final class Qcow2Lookup implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");
    /** Table number of L1; an L2 table's is its slot plus one. */
    private static final int L1 = 0;
    /** Values of a subcluster's two bits. */
    private static final int BITS_NONE = 0;

    private static final int BITS_DATA = 1;
    private static final int BITS_ZERO = 2;
    private static final int BITS_BOTH = 3;
    /** The bits of a cluster whose subclusters are all data. */
    static final long ALL_ALLOCATED = 0xffff_ffffL;

    final Table l1;
    final TableCache l2Tables;
    final int slotBits;
    final long slotMask;
    private final Qcow2Header header;
    private final IoFile file;
    /** The file with the data: the image, or the external data file. */
    private final IoFile dataFile;

    private final Qcow2Space space;
    private final boolean external;
    private final boolean extended;
    private final int clusterBits;
    private final int clusterSize;
    /** Bytes of a cluster, or of a subcluster. */
    private final int unit;

    private final int entryBytes;
    private final NativeBuffer l1Memory;
    private final PastEnd pastEnd;
    private final CorruptionLog corruption;

    /**
     * @param l1Offset of the L1 table: the active one, or a snapshot's
     * @param dataFile the external data file, or null
     * @param space of the file
     */
    Qcow2Lookup(
            Qcow2Header header,
            long l1Offset,
            int l1Entries,
            IoFile file,
            IoFile dataFile,
            Qcow2Space space,
            NativeMemory memory,
            long cacheBytes)
            throws DiskException {
        this.header = header;
        this.file = file;
        corruption = new CorruptionLog(LOG, file.path());
        this.space = space;
        this.external = dataFile != null;
        this.dataFile = external ? dataFile : file;
        extended = header.has(Qcow2Header.EXTENDED_L2);
        clusterBits = header.clusterBits();
        clusterSize = header.clusterSize();
        unit = header.unit();
        entryBytes = header.l2EntryBytes();
        slotBits = header.slotBits();
        slotMask = (1L << slotBits) - 1;
        if (l1Entries > 0
                && l1Offset + l1Entries * (long) Qcow2Entry.L1_BYTES > Alignment.up(file.size(), clusterSize)) {
            throw DiskException.corrupt(
                    file.path(),
                    "L1 table",
                    l1Offset,
                    l1Entries + " entries past the end of the file",
                    "a table inside the file of " + file.size() + " bytes");
        }
        int l1Bytes = Math.max(SECTOR, Alignment.up(l1Entries * Qcow2Entry.L1_BYTES, SECTOR));
        l1Memory = TableMemory.read(memory, file, l1Offset, l1Bytes, "L1 table");
        l1 = new Table(l1Memory.address(), l1Bytes, file, l1Offset);
        l2Tables = new TableCache(memory, file, clusterSize, cacheBytes, l1Entries);
        pastEnd = new PastEnd(space.end());
        pastEnd.look(L1, l1Entries, i -> Qcow2Entry.offset(l1.getLongBig(i * Qcow2Entry.L1_BYTES)));
    }

    /** The entry of L1 for a slot. */
    long directory(int slot) {
        return l1.getLongBig(slot * Qcow2Entry.L1_BYTES);
    }

    long entry(Table table, int index) {
        return table.getLongBig(index * entryBytes);
    }

    /** The subclusters' bits of an extended entry: low half allocated, high half zeros. 0 for others. */
    long bits(Table table, int index) {
        return extended ? table.getLongBig(index * entryBytes + Qcow2Entry.AT_BITS) : 0;
    }

    void put(Table table, int index, long entry, long bits) {
        table.putLongBig(index * entryBytes, entry);
        if (extended) {
            table.putLongBig(index * entryBytes + Qcow2Entry.AT_BITS, bits);
        }
    }

    /** Records that a slot has a new table, whose entries are all valid. */
    void made(int slot) {
        pastEnd.made(slot + 1);
    }

    private long hostOffset(long entry) {
        return Qcow2Entry.compressed(entry)
                ? Qcow2Entry.compressedOffset(entry, clusterBits)
                : Qcow2Entry.offset(entry);
    }

    /** Whether an L2 entry is valid: it did not point past the end of the file when the table was first loaded. */
    private boolean isFresh(long offset, int index) {
        return !pastEnd.isStale((int) (offset >>> slotBits) + 1, index);
    }

    private boolean isValid(long offset) {
        return offset >= clusterSize && Alignment.isAligned(offset, clusterSize) && offset < space.end();
    }

    /** Whether an entry, of the slot that has the disk offset, points at a valid cluster. */
    boolean isCluster(long entry, long offset, int index) {
        return isValid(Qcow2Entry.offset(entry)) && isFresh(offset, index);
    }

    // ---- look-up

    /** See {@link org.blktap.image.ClusterMap#find}. */
    void find(long offset, long length, Place into) {
        int slot = (int) (offset >>> slotBits);
        long inSlot = offset & slotMask;
        long run = Math.min(length, slotMask + 1 - inSlot);
        long directory = directory(slot);
        long l2 = Qcow2Entry.offset(directory);
        into.inDirectory(slot, directory);
        if (l2 == 0) {
            while (run < length && Qcow2Entry.offset(directory(++slot)) == 0) {
                run = Math.min(length, run + slotMask + 1);
            }
            into.unallocated(run);
        } else if (!isValid(l2) || pastEnd.isStale(L1, slot)) {
            corrupt("L1 entry " + slot, l1.fileOffset() + slot * (long) Qcow2Entry.L1_BYTES, directory);
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
            if (pastEnd.isLost(slot + 1)) {
                corrupt("L2 table of slot " + slot, l2, directory);
                into.corrupt(run);
            } else if (extended) {
                subclusters(table, Qcow2Entry.copied(directory), offset, run, into);
            } else {
                clusters(table, Qcow2Entry.copied(directory), offset, run, into);
            }
        }
    }

    private void clusters(Table table, boolean own, long offset, long length, Place into) {
        int index = (int) ((offset & slotMask) >>> clusterBits);
        int inCluster = (int) (offset & clusterSize - 1);
        long entry = entry(table, index);
        into.inTable(table, index, entry, 0);
        long run = clusterSize - inCluster;
        if (Qcow2Entry.compressed(entry)) {
            compressed(table, index, offset, entry, Math.min(run, length), into);
            return;
        }
        long at = Qcow2Entry.offset(entry);
        if ((entry & Qcow2Entry.ZERO) != 0 && header.version() >= 3) {
            while (run < length
                    && (entry(table, ++index) & (Qcow2Entry.COMPRESSED | Qcow2Entry.ZERO)) == Qcow2Entry.ZERO) {
                run += clusterSize;
            }
            into.zero(Math.min(run, length));
        } else if (at == 0 && !(external && Qcow2Entry.copied(entry))) {
            while (run < length && isUnallocated(entry(table, ++index))) {
                run += clusterSize;
            }
            into.unallocated(Math.min(run, length));
        } else if (external ? at != Alignment.down(offset, clusterSize) : !isValid(at) || !isFresh(offset, index)) {
            corrupt("L2 entry " + index, table.fileOffset() + (long) index * entryBytes, entry);
            into.corrupt(Math.min(run, length));
        } else {
            long wanted = entry;
            while (run < length
                    && entry(table, ++index) == (wanted += clusterSize)
                    && (external || isValid(Qcow2Entry.offset(wanted)) && isFresh(offset, index))) {
                run += clusterSize;
            }
            data(own && Qcow2Entry.copied(entry), at + inCluster, Math.min(run, length), into);
        }
    }

    private boolean isUnallocated(long entry) {
        return Qcow2Entry.offset(entry) == 0
                && !Qcow2Entry.compressed(entry)
                && (header.version() < 3 || (entry & Qcow2Entry.ZERO) == 0)
                && !(external && Qcow2Entry.copied(entry));
    }

    private void subclusters(Table table, boolean own, long offset, long length, Place into) {
        int index = (int) ((offset & slotMask) >>> clusterBits);
        int inCluster = (int) (offset & clusterSize - 1);
        long entry = entry(table, index);
        long bits = bits(table, index);
        into.inTable(table, index, entry, bits);
        long rest = Math.min(length, clusterSize - inCluster);
        if (Qcow2Entry.compressed(entry)) {
            compressed(table, index, offset, entry, rest, into);
            return;
        }
        int first = inCluster / unit;
        int kind = subcluster(bits, first);
        int last = first + 1;
        while (last < Qcow2Entry.SUBCLUSTERS
                && (long) last * unit - inCluster < rest
                && subcluster(bits, last) == kind) {
            last++;
        }
        long run = Math.min(rest, (long) last * unit - inCluster);
        long at = Qcow2Entry.offset(entry);
        if (kind == BITS_ZERO) {
            into.zero(run);
        } else if (kind == BITS_NONE) {
            into.unallocated(run);
        } else if (kind == BITS_BOTH
                || (external ? at != Alignment.down(offset, clusterSize) : !isValid(at) || !isFresh(offset, index))) {
            corrupt("L2 entry " + index, table.fileOffset() + (long) index * entryBytes, entry);
            into.corrupt(run);
        } else {
            // whole clusters that follow each other in the file are one run
            while (run < length
                    && Alignment.isAligned(inCluster + run, clusterSize)
                    && entry(table, ++index) == (entry += clusterSize)
                    && bits(table, index) == ALL_ALLOCATED
                    && (external || isValid(Qcow2Entry.offset(entry)) && isFresh(offset, index))) {
                run = Math.min(length, run + clusterSize);
            }
            data(own && Qcow2Entry.copied(entry), at + inCluster, run, into);
        }
    }

    private static int subcluster(long bits, int i) {
        return (int) (bits >>> i & BITS_DATA | (bits >>> i + 32 & 1) << 1);
    }

    private void data(boolean own, long at, long run, Place into) {
        if (own) {
            into.data(dataFile, at, run);
        } else {
            into.shared(dataFile, at, run);
        }
    }

    private void compressed(Table table, int index, long offset, long entry, long run, Place into) {
        long at = Qcow2Entry.compressedOffset(entry, clusterBits);
        if (external || at < clusterSize || at >= space.end() || !isFresh(offset, index)) {
            corrupt("L2 entry " + index, table.fileOffset() + (long) index * entryBytes, entry);
            into.corrupt(run);
        } else {
            into.compressed(
                    file, at, Qcow2Entry.compressedLength(entry, clusterBits), (int) (offset & clusterSize - 1), run);
        }
    }

    private void corrupt(String structure, long at, long found) {
        corruption.found(structure, at, found, "a cluster inside the file");
    }

    /** Nothing is in flight. */
    @Override
    public void close() {
        l2Tables.close();
        l1Memory.close();
    }
}
