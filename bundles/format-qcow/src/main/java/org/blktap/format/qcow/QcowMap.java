package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Allocation;
import org.blktap.image.Answer;
import org.blktap.image.ClusterMap;
import org.blktap.image.Compression;
import org.blktap.image.CorruptionLog;
import org.blktap.image.Deflate;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.FileSpace;
import org.blktap.image.PastEnd;
import org.blktap.image.Place;
import org.blktap.image.Space;
import org.blktap.image.Table;
import org.blktap.image.TableCache;

/**
 * The two-level table of qcow version 1. An L1 entry points at the L2 table of a slot, an L2 entry at a cluster; new
 * ones go to the end of the file.
 *
 * <p>Coarse allocation is what Xen's tools do where there is no backing file: the first write to a slot allocates its
 * L2 table and, right after it, all its clusters. Where Xen's extension guarantees this, a look-up needs no L2 table.
 */
final class QcowMap implements ClusterMap {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow");
    /** Flag of an L2 entry: the cluster is deflated, and the entry also holds its length. */
    static final long COMPRESSED = 1L << 63;

    private static final int ENTRY_BYTES = QcowHeader.ENTRY_BYTES;
    /** Table number of L1; an L2 table's is its slot plus one. */
    private static final int L1 = 0;
    /** Larger slots are allocated cluster by cluster. */
    private static final long MAX_COARSE_SLOT = 2 << 20;

    private final QcowHeader header;
    private final IoFile file;
    private final L1Table l1;
    private final TableCache l2Tables;
    private final FileSpace space;
    private final int clusterSize;
    private final int slotBits;
    private final long slotMask;
    /** Bytes from an L2 table to the first cluster of a slot that was allocated as one. */
    private final int toClusters;
    /** Whether Xen's extension guarantees for every slot that its clusters follow its L2 table. */
    private final boolean coarseSlots;

    private final boolean allocateSlots;
    /** Whether the checksum in Xen's extension was right when the image was opened, and must be updated. */
    private final boolean keepChecksum;

    private final PastEnd pastEnd;
    private final OverwrittenTable overwritten;
    private final CorruptionLog corruption;

    /**
     * @param allocateSlots whether a first write allocates the whole slot, if its size allows it
     * @param cacheBytes for L2 tables
     */
    QcowMap(QcowHeader header, IoFile file, IoLoop loop, NativeMemory memory, boolean allocateSlots, long cacheBytes)
            throws DiskException {
        this.header = header;
        this.file = file;
        corruption = new CorruptionLog(LOG, file.path());
        clusterSize = header.clusterSize();
        overwritten = new OverwrittenTable(header);
        slotBits = header.clusterBits() + header.l2Bits();
        slotMask = header.slotBytes() - 1;
        toClusters = Math.max(header.l2Bytes(), clusterSize);
        l1 = new L1Table(header, file, memory);
        QcowHeader.XenExtension xen = header.xen();
        keepChecksum = xen != null && xen.checksum() == l1.checksum();
        coarseSlots = keepChecksum
                && header.backingOffset() == 0
                && xen.minClusterAlloc() == header.l2Entries()
                && Alignment.isAligned(header.l2Bytes(), clusterSize);
        this.allocateSlots = coarseSlots || allocateSlots && header.slotBytes() <= MAX_COARSE_SLOT;
        space = new FileSpace(file, loop, firstFree(), header.size());
        pastEnd = new PastEnd(space.end());
        pastEnd.look(L1, l1.entries(), l1::get);
        l2Tables = new TableCache(memory, file, header.l2Bytes(), cacheBytes, l1.entries());
    }

    /** Repairs the first L2 table in the file, before anything is written. */
    void mendFirstTable() throws DiskException {
        overwritten.mend(file, l1, coarseSlots);
    }

    /** First offset past the end of the file and past every slot. */
    private long firstFree() {
        long end = Math.max(file.size(), header.metadataEnd());
        if (!Alignment.isAligned(end, toClusters)) {
            // a table or a cluster may have been cut off there, which then reads as zeros past the end
            end += toClusters;
        }
        for (int slot = 0; slot < l1.entries(); slot++) {
            long l2 = l1.get(slot);
            if (l2 != 0 && l2 < file.size() && isValid(l2, file.size())) {
                end = Math.max(end, l2 + (coarseSlots ? toClusters + header.slotBytes() : header.l2Bytes()));
            }
        }
        return Alignment.up(end, toClusters);
    }

    @Override
    public int clusterSize() {
        return clusterSize;
    }

    /** A deflated cluster is shorter than a plain one. */
    @Override
    public Compression compression() {
        return new Compression(clusterSize, Deflate::new);
    }

    boolean coarseSlots() {
        return coarseSlots;
    }

    boolean littleEndianL1() {
        return l1.littleEndian();
    }

    private boolean isValid(long offset, long end) {
        return header.mayHold(offset, SECTOR) && offset < end && Alignment.isAligned(offset, SECTOR);
    }

    @Override
    public void find(long offset, long length, Place into) {
        int slot = (int) (offset >>> slotBits);
        long inSlot = offset & slotMask;
        long run = Math.min(length, slotMask + 1 - inSlot);
        long l2 = l1.get(slot);
        into.inDirectory(slot, l2);
        if (l2 == 0) {
            while (run < length && l1.get(++slot) == 0) {
                run = Math.min(length, run + slotMask + 1);
            }
            into.unallocated(run);
        } else if (!isValid(l2, space.end()) || pastEnd.isStale(L1, slot)) {
            corrupt("L1 entry " + slot, header.l1Offset() + slot * (long) ENTRY_BYTES, l2);
            into.corrupt(run);
        } else if (coarseSlots) {
            into.data(file, l2 + toClusters + inSlot, run);
        } else {
            Table table = l2Tables.get(l2);
            if (table == null) {
                into.notLoaded(l2Tables, l2);
            } else {
                if (OverwrittenTable.is(l2, table.getLongBig(0)) && !overwritten.mend(table)) {
                    corrupt("L2 table of slot " + slot, l2, table.getLongBig(0));
                    into.corrupt(run);
                    return;
                }
                if (!pastEnd.hasSeen(slot + 1)) {
                    pastEnd.look(slot + 1, header.l2Entries(), i -> Math.max(0, table.getLongBig(i * ENTRY_BYTES)));
                }
                if (pastEnd.isLost(slot + 1)) {
                    corrupt("L2 table of slot " + slot, header.l1Offset() + slot * (long) ENTRY_BYTES, l2);
                    into.corrupt(run);
                    return;
                }
                inTable(
                        slot,
                        table,
                        (int) (inSlot >>> header.clusterBits()),
                        (int) (offset & clusterSize - 1),
                        run,
                        into);
            }
        }
    }

    private void inTable(int slot, Table table, int index, int inCluster, long length, Place into) {
        long entry = table.getLongBig(index * ENTRY_BYTES);
        into.inTable(table, index, entry, 0);
        long run = clusterSize - inCluster;
        if (entry == 0) {
            while (run < length && table.getLongBig(++index * ENTRY_BYTES) == 0) {
                run += clusterSize;
            }
            into.unallocated(Math.min(run, length));
        } else if (entry < 0) {
            long stream = compressedOffset(entry, header.clusterBits());
            if (!header.mayHold(stream, 1) || stream >= space.end()) {
                corrupt("L2 entry " + index, table.fileOffset() + index * (long) ENTRY_BYTES, entry);
                into.corrupt(Math.min(run, length));
            } else {
                into.compressed(
                        file, stream, compressedLength(entry, header.clusterBits()), inCluster, Math.min(run, length));
            }
        } else if (!isValid(entry, space.end()) || pastEnd.isStale(slot + 1, index)) {
            corrupt("L2 entry " + index, table.fileOffset() + index * (long) ENTRY_BYTES, entry);
            into.corrupt(Math.min(run, length));
        } else {
            long next = entry + clusterSize;
            while (run < length
                    && table.getLongBig(++index * ENTRY_BYTES) == next
                    && isValid(next, space.end())
                    && !pastEnd.isStale(slot + 1, index)) {
                run += clusterSize;
                next += clusterSize;
            }
            into.data(file, entry + inCluster, Math.min(run, length));
        }
    }

    /** Bytes from the beginning of the file to a deflated cluster. */
    static long compressedOffset(long entry, int clusterBits) {
        return entry & (1L << 63 - clusterBits) - 1;
    }

    /** Bytes of a deflated cluster, less than a cluster. */
    static int compressedLength(long entry, int clusterBits) {
        return (int) (entry >>> 63 - clusterBits) & (1 << clusterBits) - 1;
    }

    private void corrupt(String structure, long at, long found) {
        corruption.found(structure, at, found, "an offset inside the file after its tables");
    }

    @Override
    public Answer allocate(Place found, long length, Allocation into) {
        long offset = found.offset();
        int slot = found.slot();
        long slotStart = offset & ~slotMask;
        long covered = Math.min(length, slotStart + slotMask + 1 - offset);
        int first = (int) ((offset & slotMask) >>> header.clusterBits());
        int clusters = (int) (((offset + covered - 1 & slotMask) >>> header.clusterBits()) - first + 1);
        if (found.directory() == 0 && !l2Tables.hasRoom()) {
            return into.noTable(l2Tables);
        }
        into.change().covers(EntryChange.Kind.DATA, offset, covered);
        if (found.directory() == 0) {
            inNewTable(slot, first, clusters, into);
            into.busy(slotStart, slotStart + slotMask + 1);
        } else {
            inOldTable(found, clusters, into);
            long start = Alignment.down(offset, clusterSize);
            into.busy(start, start + (long) clusters * clusterSize);
        }
        into.room(space, space.end());
        return Answer.ALLOCATED;
    }

    private void inOldTable(Place found, int clusters, Allocation into) {
        long at = space.reserve((long) clusters * clusterSize);
        into.target().fresh(file, at, clusterSize);
        l2Tables.pin(found.table());
        into.change().inTable(found.table());
        into.change().entries(found.index(), clusters, found.entry(), 0);
        into.change().become(at, 0);
    }

    private void inNewTable(int slot, int first, int clusters, Allocation into) {
        Table table = l2Tables.create(space.reserve(toClusters));
        pastEnd.made(slot + 1);
        int from = allocateSlots ? 0 : first;
        int count = allocateSlots ? header.l2Entries() : clusters;
        long at = space.reserve((long) count * clusterSize);
        enter(table, from, count, at);
        into.target().fresh(file, at + (long) (first - from) * clusterSize, clusterSize);
        into.change().inNewTable(table, slot, 0);
    }

    /** Points consecutive entries at consecutive clusters. */
    private void enter(Table table, int first, int count, long at) {
        for (int i = 0; i < count; i++) {
            table.putLongBig((first + i) * ENTRY_BYTES, at + (long) i * clusterSize);
        }
    }

    @Override
    public void commit(EntryChange change, DirtyTables dirty) {
        if (change.newTable()) {
            l1.set(change.slot(), change.table().fileOffset(), dirty);
        } else {
            enter(change.table(), change.first(), change.count(), change.next());
            mark(change, dirty);
        }
    }

    @Override
    public void undo(EntryChange change, DirtyTables dirty) {
        if (change.newTable()) {
            l1.set(change.slot(), change.previousDirectory(), dirty);
            return;
        }
        // several entries change together only where all were empty
        for (int i = 0; i < change.count(); i++) {
            change.table().putLongBig((change.first() + i) * ENTRY_BYTES, change.previous());
        }
        mark(change, dirty);
    }

    private static void mark(EntryChange change, DirtyTables dirty) {
        dirty.mark(change.table(), change.first() * ENTRY_BYTES, change.count() * ENTRY_BYTES);
    }

    @Override
    public void settled(EntryChange change, boolean kept) {
        change.releaseTable(kept);
    }

    @Override
    public Space space() {
        return space;
    }

    @Override
    public void close() {
        try {
            if (l1.changed()) {
                space.trim();
                if (keepChecksum) {
                    // last: until then the checksum is wrong and other programs ignore the extension, which is safe
                    file.writeFully(
                            ByteBuffer.allocate(Integer.BYTES)
                                    .putInt(l1.checksum())
                                    .flip(),
                            QcowHeader.AT_XEN_CHECKSUM);
                }
                file.flushNow();
            } else if (file.writable()) {
                space.trim();
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, file.path() + ": cannot be tidied up at the end: " + e.getMessage());
        } finally {
            l2Tables.close();
            l1.close();
            file.close();
        }
    }
}
