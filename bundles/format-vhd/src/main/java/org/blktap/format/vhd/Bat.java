package org.blktap.format.vhd;

import java.io.IOException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.DirtyTables;
import org.blktap.image.Table;

/**
 * The block allocation table in memory, as far as the disk's blocks need it: for each the sector of the file where its bitmap begins, a
 * big-endian u32. Layout: the specification's "Block Allocation Table and Data Blocks". Loop only after opening.
 */
final class Bat implements AutoCloseable {
    static final int UNUSED = -1;
    private static final int SECTOR = 512;

    private final NativeBuffer memory;
    private final Table table;
    private final int entries;

    Bat(VhdImage image, IoFile file, NativeMemory nativeMemory) throws DiskException {
        entries = image.blocks();
        int size = entries * 4 + SECTOR - 1 & -SECTOR;
        memory = nativeMemory.allocate(size);
        boolean done = false;
        try {
            file.readFully(memory.bytes(0, size), image.header().tableOffset());
            done = true;
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the BAT", e);
        } finally {
            if (!done) {
                memory.close();
            }
        }
        table = new Table(memory.address(), size, file, image.header().tableOffset());
    }

    int entries() {
        return entries;
    }

    boolean isUsed(int block) {
        return Memory.getInt(table.address() + block * 4L) != UNUSED;
    }

    /** Bytes from the beginning of the file to the bitmap of a block in use; not checked. */
    long offset(int block) {
        return Integer.toUnsignedLong(Integer.reverseBytes(Memory.getInt(table.address() + block * 4L))) * SECTOR;
    }

    void set(int block, long offset, DirtyTables dirty) {
        put(block, (int) (offset / SECTOR), dirty);
    }

    void setUnused(int block, DirtyTables dirty) {
        put(block, UNUSED, dirty);
    }

    private void put(int block, int sector, DirtyTables dirty) {
        Memory.putInt(table.address() + block * 4L, Integer.reverseBytes(sector));
        dirty.mark(table, block * 4, 4);
    }

    @Override
    public void close() {
        memory.close();
    }
}
