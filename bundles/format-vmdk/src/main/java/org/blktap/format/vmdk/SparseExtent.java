package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Allocation;
import org.blktap.image.Answer;
import org.blktap.image.CorruptionLog;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.FileSpace;
import org.blktap.image.PastEnd;
import org.blktap.image.Place;
import org.blktap.image.Table;
import org.blktap.image.TableCache;

/**
 * An extent of grains that a grain directory and grain tables find: hosted sparse and COWD. New grains, and grain
 * tables where the directory has none yet, go to the end of the file. The redundant directory's tables are written with
 * the others.
 */
final class SparseExtent extends Extent {
    private static final Logger LOG = System.getLogger("org.blktap.format.vmdk");
    /** Table number of the directory; a grain table's is its slot plus one. */
    private static final int DIRECTORY = 0;

    private final GrainLayout layout;
    private final IoFile file;
    private final boolean writable;
    private final GrainDirectory gd;
    /** The redundant grain directory, or null. */
    private final GrainDirectory rgd;

    private final TableCache tables;
    private final FileSpace space;
    /** Null for formats other than COWD. */
    private final FreeSector freeSector;

    private final PastEnd pastEnd;
    /** Whether a resize has moved directories to where grains are. */
    private final boolean movedDirectories;

    private final int grainBytes;
    private final int grainSectors;
    private final int slotBits;
    private final long slotMask;
    private boolean changed;
    private final CorruptionLog corruption;

    /** @param cacheBytes for grain tables */
    SparseExtent(VmdkImage.Part part, boolean readOnly, IoLoop loop, NativeMemory memory, long cacheBytes)
            throws DiskException {
        super(part);
        layout = part.grains();
        file = part.file();
        corruption = new CorruptionLog(LOG, file.path());
        writable = !readOnly && part.writable();
        grainBytes = layout.grainBytes();
        // streams have their directory after the grains, the last of which may be shorter than grainBytes
        movedDirectories =
                !layout.compressed() && Math.max(layout.gdOffset(), layout.rgdOffset()) >= layout.firstGrain();
        grainSectors = grainBytes / SECTOR;
        slotBits = layout.grainBits() + layout.tableBits();
        slotMask = layout.slotBytes() - 1;
        int entries = (int) layout.directoryEntries();
        gd = new GrainDirectory(file, layout.gdOffset(), entries, GrainLayout.ENTRY_BYTES, memory);
        try (CloseOnFailure opened = new CloseOnFailure(gd::close)) {
            rgd = layout.rgdOffset() == 0 || !writable
                    ? null
                    : new GrainDirectory(file, layout.rgdOffset(), entries, GrainLayout.ENTRY_BYTES, memory);
            if (rgd != null) {
                opened.add(rgd::close);
            }
            freeSector = layout.freeSector() == 0 ? null : new FreeSector(file, layout.freeSector());
            long free = Alignment.up(Math.max(file.size(), layout.firstGrain()), grainBytes);
            space = new FileSpace(file, loop, free, end - start, freeSector);
            pastEnd = new PastEnd(free);
            pastEnd.look(DIRECTORY, entries, i -> gd.get(i) == 0 ? 0 : gd.get(i) + layout.tableBytes() - 1);
            checkRedundant(rgd);
            tables = new TableCache(memory, file, layout.tableBytes(), cacheBytes, entries);
            opened.keep();
        }
    }

    /** Checks that each redundant table lies where a table may lie. */
    private void checkRedundant(GrainDirectory redundant) throws DiskException {
        for (int slot = 0; redundant != null && slot < redundant.entries(); slot++) {
            long at = redundant.get(slot);
            if (at != 0 && (!isTable(at) || at + layout.tableBytes() > space.end() || at == gd.get(slot))) {
                throw DiskException.corrupt(
                        file.path(),
                        "redundant grain directory entry " + slot,
                        layout.rgdOffset() + slot * (long) GrainLayout.ENTRY_BYTES,
                        String.format("0x%x", at / SECTOR),
                        "a sector inside the file after its header, and not the grain table's");
            }
        }
    }

    private boolean isTable(long offset) {
        long behind = offset + layout.tableBytes();
        return offset >= layout.firstTable() && offset < space.end() && isApart(offset, behind);
    }

    private boolean apart(long from, long to, long directory) {
        return to <= directory || from >= directory + layout.directoryBytes();
    }

    private boolean isGrain(long offset) {
        return offset >= layout.firstGrain()
                && offset < space.end()
                && (!movedDirectories || isApart(offset, offset + grainBytes));
    }

    private boolean isApart(long from, long to) {
        return apart(from, to, layout.gdOffset()) && (layout.rgdOffset() == 0 || apart(from, to, layout.rgdOffset()));
    }

    @Override
    void find(long offset, long length, Place into) {
        int slot = (int) (offset >>> slotBits);
        long inSlot = offset & slotMask;
        long run = Math.min(length, slotMask + 1 - inSlot);
        long at = gd.get(slot);
        into.inDirectory(slot, at);
        if (at == 0) {
            while (run < length && gd.get(++slot) == 0) {
                run = Math.min(length, run + slotMask + 1);
            }
            into.unallocated(run);
        } else if (!isTable(at) || pastEnd.isStale(DIRECTORY, slot)) {
            corrupt(
                    "grain directory entry " + slot,
                    layout.gdOffset() + slot * (long) GrainLayout.ENTRY_BYTES,
                    at / SECTOR);
            into.corrupt(run);
        } else {
            Table table = tables.get(at);
            if (table == null) {
                into.notLoaded(tables, at);
            } else {
                if (!pastEnd.hasSeen(slot + 1)) {
                    // a compressed grain may be shorter
                    int whole = layout.compressed() ? 1 : grainBytes;
                    pastEnd.look(
                            slot + 1,
                            layout.tableEntries(),
                            i -> entry(table, i) <= GrainLayout.ZEROED ? 0 : entry(table, i) * SECTOR + whole - 1);
                }
                if (pastEnd.isLost(slot + 1)) {
                    corrupt(
                            "grain table of slot " + slot,
                            layout.gdOffset() + slot * (long) GrainLayout.ENTRY_BYTES,
                            at / SECTOR);
                    into.corrupt(run);
                    return;
                }
                inTable(slot, table, (int) (inSlot >>> layout.grainBits()), (int) (offset & grainBytes - 1), run, into);
            }
        }
    }

    private static long entry(Table table, int index) {
        return Integer.toUnsignedLong(table.getIntLittle(index * GrainLayout.ENTRY_BYTES));
    }

    private void inTable(int slot, Table table, int index, int inGrain, long length, Place into) {
        long entry = entry(table, index);
        into.inTable(table, index, entry, 0);
        long run = grainBytes - inGrain;
        if (entry == 0 || entry == GrainLayout.ZEROED && layout.zeroedGrains()) {
            while (run < length && entry(table, ++index) == entry) {
                run += grainBytes;
            }
            if (entry == 0) {
                into.unallocated(Math.min(run, length));
            } else {
                into.zero(Math.min(run, length));
            }
        } else if (!isGrain(entry * SECTOR) || pastEnd.isStale(slot + 1, index)) {
            corrupt("grain table entry " + index, table.fileOffset() + index * (long) GrainLayout.ENTRY_BYTES, entry);
            into.corrupt(Math.min(run, length));
        } else if (layout.compressed()) {
            into.compressed(
                    file,
                    entry * SECTOR + layout.markerBytes(),
                    stored(table, index, entry),
                    inGrain,
                    Math.min(run, length));
        } else {
            long next = entry + grainSectors;
            while (run < length
                    && entry(table, ++index) == next
                    && isGrain(next * SECTOR)
                    && !pastEnd.isStale(slot + 1, index)) {
                run += grainBytes;
                next += grainSectors;
            }
            if (writable) {
                into.data(file, entry * SECTOR + inGrain, Math.min(run, length));
            } else {
                into.shared(file, entry * SECTOR + inGrain, Math.min(run, length));
            }
        }
    }

    /**
     * Returns the most bytes that a compressed grain can have. The table does not say how long it is; streams are in
     * order, so it ends before the next one.
     */
    private int stored(Table table, int index, long entry) {
        long most = layout.mostCompressed();
        long next = index + 1 < layout.tableEntries() ? entry(table, index + 1) : 0;
        return (int) (next > entry ? Math.min(most, (next - entry) * SECTOR - layout.markerBytes()) : most);
    }

    private void corrupt(String structure, long at, long found) {
        corruption.found(structure, at, found, "a sector inside the file after its tables");
    }

    /** See {@link org.blktap.image.ClusterMap#allocate}. */
    Answer allocate(Place found, long length, Allocation into) {
        return change(found, length, EntryChange.Kind.DATA, into);
    }

    /** See {@link org.blktap.image.ClusterMap#markZero}. */
    Answer markZero(Place found, long length, Allocation into) {
        return layout.zeroedGrains() ? change(found, length, EntryChange.Kind.ZEROS, into) : Answer.REFUSED;
    }

    private Answer change(Place found, long length, EntryChange.Kind kind, Allocation into) {
        long offset = found.offset();
        long inExtent = offset - start;
        int slot = found.slot();
        long slotStart = inExtent & ~slotMask;
        long covered = Math.min(Math.min(length, end - offset), slotStart + slotMask + 1 - inExtent);
        int first = (int) ((inExtent & slotMask) >>> layout.grainBits());
        int grains = (int) (((inExtent + covered - 1 & slotMask) >>> layout.grainBits()) - first + 1);
        boolean hasTable = found.directory() != 0;
        long dataBytes = kind == EntryChange.Kind.DATA ? (long) grains * grainBytes : 0;
        long room = dataBytes + (hasTable ? 0 : newTableBytes());
        if (space.end() + room > GrainLayout.LARGEST_FILE) {
            return Answer.REFUSED;
        }
        if (!hasTable && !tables.hasRoom()) {
            return into.noTable(tables);
        }
        Table table = hasTable ? found.table() : tables.create(space.reserve(newTableBytes()));
        EntryChange change = into.change();
        change.covers(kind, offset, covered);
        change.entries(first, grains, found.entry(), 0);
        if (kind == EntryChange.Kind.DATA) {
            long at = space.reserve(dataBytes);
            into.target().fresh(file, at, grainBytes);
            change.become(at / SECTOR, 0);
        } else {
            change.become(GrainLayout.ZEROED, 0);
        }
        if (room > 0) {
            into.room(space, space.end());
        }
        if (hasTable) {
            tables.pin(table);
            change.inTable(table);
            if (rgd != null && rgd.get(slot) != 0) {
                table.mirror(rgd.get(slot));
            }
            long grainStart = Alignment.down(offset, grainBytes);
            into.busy(grainStart, grainStart + (long) grains * grainBytes);
        } else {
            change.inNewTable(table, slot, 0);
            pastEnd.made(slot + 1);
            if (rgd != null) {
                table.mirror(table.fileOffset() + layout.tableBytes());
            }
            enter(change);
            into.busy(start + slotStart, Math.min(end, start + slotStart + slotMask + 1));
        }
        return Answer.ALLOCATED;
    }

    /** A grain table and its twin, rounded up so that grains stay aligned. */
    private long newTableBytes() {
        return Alignment.up((long) layout.tableBytes() * (rgd == null ? 1 : 2), grainBytes);
    }

    /** Puts the changed entries into their table. */
    private void enter(EntryChange change) {
        int step = change.kind() == EntryChange.Kind.DATA ? grainSectors : 0;
        for (int i = 0; i < change.count(); i++) {
            change.table().putIntLittle((change.first() + i) * GrainLayout.ENTRY_BYTES, (int) change.next() + i * step);
        }
    }

    void commit(EntryChange change, DirtyTables dirty) {
        changed = true;
        if (change.newTable()) {
            enterTable(change.slot(), change.table().fileOffset(), dirty);
        } else {
            enter(change);
            mark(change, dirty);
        }
    }

    private void enterTable(int slot, long at, DirtyTables dirty) {
        gd.set(slot, at, dirty);
        if (rgd != null) {
            rgd.set(slot, at == 0 ? 0 : at + layout.tableBytes(), dirty);
        }
    }

    void undo(EntryChange change, DirtyTables dirty) {
        if (change.newTable()) {
            enterTable(change.slot(), change.previousDirectory(), dirty);
            return;
        }
        // all of them were alike
        for (int i = 0; i < change.count(); i++) {
            change.table().putIntLittle((change.first() + i) * GrainLayout.ENTRY_BYTES, (int) change.previous());
        }
        mark(change, dirty);
    }

    private static void mark(EntryChange change, DirtyTables dirty) {
        dirty.mark(change.table(), change.first() * GrainLayout.ENTRY_BYTES, change.count() * GrainLayout.ENTRY_BYTES);
    }

    FileSpace space() {
        return space;
    }

    @Override
    SparseExtent sparse() {
        return writable ? this : null;
    }

    @Override
    public void close() {
        try {
            if (writable) {
                space.trim();
                if (changed && freeSector != null) {
                    freeSector.write(space.end());
                }
                if (changed) {
                    file.flushNow();
                }
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, file.path() + ": cannot be tidied up at the end: " + e.getMessage());
        } finally {
            tables.close();
            gd.close();
            if (rgd != null) {
                rgd.close();
            }
        }
    }
}
