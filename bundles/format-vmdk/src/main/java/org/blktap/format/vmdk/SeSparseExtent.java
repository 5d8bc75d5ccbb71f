package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.lang.System.Logger;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.CorruptionLog;
import org.blktap.image.Place;
import org.blktap.image.Table;
import org.blktap.image.TableCache;

/**
 * A seSparse extent, which is only read. Entries are 64-bit little-endian with a kind in the topmost four bits. Source:
 * QEMU block/vmdk.c, get_cluster_offset.
 */
final class SeSparseExtent extends Extent {
    private static final Logger LOG = System.getLogger("org.blktap.format.vmdk");
    private static final int GRAIN = 1 << SeSparseHeader.GRAIN_BITS;
    private static final int SLOT_BITS = SeSparseHeader.GRAIN_BITS + SeSparseHeader.TABLE_BITS;
    private static final long SLOT_MASK = (1L << SLOT_BITS) - 1;
    /** Flag of a directory entry: there is a table, whose number is in the low half. */
    private static final long TABLE = 0x10000000;

    private static final long UNMAPPED = 1;
    private static final long ZERO = 2;
    private static final long ALLOCATED = 3;
    private static final long INVALID = -1;

    private final SeSparseHeader header;
    private final IoFile file;
    private final GrainDirectory gd;
    private final TableCache tables;
    private final CorruptionLog corruption;

    SeSparseExtent(VmdkImage.Part part, NativeMemory memory, long cacheBytes) throws DiskException {
        super(part);
        header = part.seSparse();
        file = part.file();
        corruption = new CorruptionLog(LOG, file.path());
        gd = new GrainDirectory(
                file,
                header.directoryOffset() * SECTOR,
                (int) header.directoryEntries(),
                SeSparseHeader.ENTRY_BYTES,
                memory);
        tables = new TableCache(memory, file, SeSparseHeader.TABLE_BYTES, cacheBytes, header.directoryEntries());
    }

    @Override
    void find(long offset, long length, Place into) {
        int slot = (int) (offset >>> SLOT_BITS);
        long run = Math.min(length, SLOT_MASK + 1 - (offset & SLOT_MASK));
        long entry = gd.getLong(slot);
        if (entry == 0) {
            into.unallocated(run);
            return;
        }
        long at = header.tablesOffset() * SECTOR + (entry & 0xffffffffL) * SeSparseHeader.TABLE_BYTES;
        if (entry >>> 32 != TABLE || at >= file.size()) {
            corrupt(
                    "grain directory entry " + slot,
                    header.directoryOffset() * SECTOR + slot * (long) SeSparseHeader.ENTRY_BYTES,
                    entry);
            into.corrupt(run);
            return;
        }
        Table table = tables.get(at);
        if (table == null) {
            into.notLoaded(tables, at);
        } else {
            inTable(
                    table,
                    (int) ((offset & SLOT_MASK) >>> SeSparseHeader.GRAIN_BITS),
                    (int) (offset & GRAIN - 1),
                    run,
                    into);
        }
    }

    private void inTable(Table table, int index, int inGrain, long length, Place into) {
        long entry = table.getLongLittle(index * SeSparseHeader.ENTRY_BYTES);
        long run = GRAIN - inGrain;
        if (entry == 0 || entry >>> 60 == ZERO || entry >>> 60 == UNMAPPED) {
            if (entry == 0) {
                into.unallocated(Math.min(run, length));
            } else {
                into.zero(Math.min(run, length));
            }
            return;
        }
        long at = grain(entry);
        if (at == INVALID) {
            corrupt(
                    "grain table entry " + index,
                    table.fileOffset() + index * (long) SeSparseHeader.ENTRY_BYTES,
                    entry);
            into.corrupt(Math.min(run, length));
            return;
        }
        long next = at + GRAIN;
        while (run < length && grain(table.getLongLittle(++index * SeSparseHeader.ENTRY_BYTES)) == next) {
            run += GRAIN;
            next += GRAIN;
        }
        into.shared(file, at + inGrain, Math.min(run, length));
    }

    /**
     * Bytes from the beginning of the file to an allocated grain, or {@link #INVALID}: an entry holds the low 12 bits
     * of the grain's number above the others.
     */
    private long grain(long entry) {
        long number = entry >>> 48 & 0xfff | (entry & 0xffffffffffffL) << 12;
        if (entry >>> 60 != ALLOCATED || number >= file.size() / GRAIN) {
            return INVALID;
        }
        long at = header.grainsOffset() * SECTOR + number * GRAIN;
        return at < file.size() ? at : INVALID;
    }

    private void corrupt(String structure, long at, long found) {
        corruption.found(structure, at, found, "a place inside the file");
    }

    @Override
    public void close() {
        tables.close();
        gd.close();
    }
}
