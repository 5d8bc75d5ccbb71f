package org.blktap.format.vhd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.DirtyTables;
import org.blktap.image.Table;
import org.blktap.image.TableMemory;

/**
 * The block allocation table in memory, as far as the disk has blocks: for each block the sector of the file where its
 * bitmap begins, a big-endian u32. Open, check and resize all use it. Layout: the specification's "Block Allocation
 * Table and Data Blocks". One thread at a time; of a disk that is open, the loop.
 */
final class Bat implements AutoCloseable {
    static final int ENTRY_BYTES = 4;
    /** The entry of a block that is not allocated. */
    static final int UNUSED = -1;

    private final IoFile file;
    private final NativeBuffer memory;
    private final Table table;
    private final int entries;
    /** Blocks that lie outside the file or overlap something else. */
    private final BitSet invalid = new BitSet();

    private final long end;

    /** Reads the table, and checks where each block lies. */
    Bat(VhdImage image, IoFile file, NativeMemory nativeMemory) throws DiskException {
        this.file = file;
        entries = image.blocks();
        int size = Alignment.up(entries * ENTRY_BYTES, SECTOR);
        memory = TableMemory.read(nativeMemory, file, image.header().tableOffset(), size, "BAT");
        table = new Table(memory.address(), size, file, image.header().tableOffset());
        end = look(image);
    }

    private long look(VhdImage image) {
        List<VhdImage.Structure> structures = image.structures();
        long last = VhdImage.end(structures);
        for (int block = 0; block < entries; block++) {
            if (isUsed(block)) {
                if (image.isBlock(offset(block), structures)) {
                    last = Math.max(last, offset(block) + image.header().blockBytes());
                } else {
                    invalid.set(block);
                }
            }
        }
        return last;
    }

    /** Blocks of the disk; the table in the file may have more entries. */
    int entries() {
        return entries;
    }

    boolean isUsed(int block) {
        return Memory.getInt(table.address() + at(block)) != UNUSED;
    }

    /**
     * Whether a block in use lay outside the file, or overlapped something else, when the table was read. Growth of the
     * file does not change that.
     */
    boolean isInvalid(int block) {
        return invalid.get(block);
    }

    /** The end of all structures and blocks, as they were when the table was read. */
    long end() {
        return end;
    }

    /** Bytes from the beginning of the file to the bitmap of a block in use. */
    long offset(int block) {
        return Integer.toUnsignedLong(Integer.reverseBytes(Memory.getInt(table.address() + at(block)))) * SECTOR;
    }

    /** Bytes from the beginning of the file to an entry. */
    long entryAt(int block) {
        return table.fileOffset() + at(block);
    }

    private static int at(int block) {
        return block * ENTRY_BYTES;
    }

    void set(int block, long offset, DirtyTables dirty) {
        put(block, (int) (offset / SECTOR), dirty);
    }

    void setUnused(int block, DirtyTables dirty) {
        put(block, UNUSED, dirty);
    }

    private void put(int block, int sector, DirtyTables dirty) {
        put(block, sector);
        dirty.mark(table, at(block), ENTRY_BYTES);
    }

    private void put(int block, int sector) {
        Memory.putInt(table.address() + at(block), Integer.reverseBytes(sector));
    }

    /** Sets an entry, in the file too. Blocking. */
    void write(int block, long offset) throws IOException {
        put(block, (int) (offset / SECTOR));
        file.writeFully(memory.bytes(at(block), ENTRY_BYTES), entryAt(block));
    }

    /** The entries as they are in the file. */
    ByteBuffer bytes() {
        return memory.bytes(0, at(entries));
    }

    @Override
    public void close() {
        memory.close();
    }
}
