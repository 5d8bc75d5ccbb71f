package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.DirtyTables;
import org.blktap.image.Table;
import org.blktap.image.TableMemory;

/** A grain directory in memory: for each grain table its sector, 0 for none. Loop only after opening. */
final class GrainDirectory implements AutoCloseable {
    private final NativeBuffer memory;
    private final Table table;
    private final int entries;

    /**
     * Reads the directory; entries past the end of the file are zeros.
     *
     * @param entryBytes 4 or 8
     */
    GrainDirectory(IoFile file, long offset, int entries, int entryBytes, NativeMemory nativeMemory)
            throws DiskException {
        this.entries = entries;
        // whole sectors, so that they can be written as they are
        int size = Alignment.up(entries * entryBytes, SECTOR);
        memory = TableMemory.read(nativeMemory, file, offset, size, "grain directory");
        table = new Table(memory.address(), size, file, offset);
    }

    int entries() {
        return entries;
    }

    /** Bytes from the beginning of the file, or 0; not checked. */
    long get(int slot) {
        return Integer.toUnsignedLong(table.getIntLittle(slot * GrainLayout.ENTRY_BYTES)) * SECTOR;
    }

    /** Returns an entry of 8 bytes, unchanged. */
    long getLong(int slot) {
        return table.getLongLittle(slot * SeSparseHeader.ENTRY_BYTES);
    }

    void set(int slot, long tableOffset, DirtyTables dirty) {
        table.putIntLittle(slot * GrainLayout.ENTRY_BYTES, (int) (tableOffset / SECTOR));
        dirty.mark(table, slot * GrainLayout.ENTRY_BYTES, GrainLayout.ENTRY_BYTES);
    }

    @Override
    public void close() {
        memory.close();
    }
}
