package org.blktap.image;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.util.ArrayDeque;
import java.util.Arrays;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;

/**
 * A metadata table in native memory, as it is in the file: one of a {@link TableCache}, or one that the format holds
 * for good, such as its directory. Loop only.
 */
public final class Table {
    /** Offset of the second copy of a table that has none. */
    private static final long NO_MIRROR = -1;

    enum State {
        FREE,
        LOADING,
        READY
    }

    private final long address;
    private final int size;
    private final Segments memory = new Segments(1);
    private final Load load = new Load();
    private final Store store = new Store();
    private final long[] dirty;
    private final long[] writing;
    private int writeError;
    private IoFile file;
    private long fileOffset;
    private long mirror;
    private int granule;

    final ArrayDeque<Resumable> waiters = new ArrayDeque<>();
    State state = State.FREE;
    int pins;
    Table hashNext;
    Table newer;
    Table older;
    private Keeper keeper;

    /** Owner of tables that are loaded and dropped: their cache. */
    interface Keeper {
        /** Called when a read of {@link #startLoad} has ended. */
        void loaded(Table table, int error);

        /** Removes a pin. */
        void unpin(Table table);

        /** Drops a new table that was not written to the file. */
        void drop(Table table);
    }

    /**
     * A table that is held permanently.
     *
     * @param address its memory, {@code size} bytes
     * @param size a multiple of 512
     * @param fileOffset a multiple of 512
     */
    public Table(long address, int size, IoFile file, long fileOffset) {
        this.address = address;
        this.size = size;
        this.dirty = new long[Alignment.units(size / SECTOR, Long.SIZE)];
        this.writing = new long[dirty.length];
        memory.add(address, size);
        at(file, fileOffset);
    }

    /** @param keeper the owner of a table that is loaded and dropped */
    Table(long address, int size, IoFile file, Keeper keeper) {
        this(address, size, file, 0);
        this.keeper = keeper;
    }

    void at(IoFile inFile, long offset) {
        file = inFile;
        fileOffset = offset;
        mirror = NO_MIRROR;
        granule = Alignment.isAligned(size | offset, PAGE) ? PAGE : SECTOR;
    }

    /** Offset of the table in the file. */
    public long fileOffset() {
        return fileOffset;
    }

    /**
     * Keeps a second copy elsewhere in the file: from now on both are written, in no particular order. A table that is
     * loaded again has no copy until this is called again.
     *
     * @param offset a multiple of 512
     */
    public void mirror(long offset) {
        mirror = offset;
    }

    /** Bytes. */
    public int size() {
        return size;
    }

    /** A 64-bit big-endian entry. */
    public long getLongBig(int byteOffset) {
        return Long.reverseBytes(Memory.getLong(address + byteOffset));
    }

    /** Sets a 64-bit big-endian entry; {@link DirtyTables#mark} then marks it for writing. */
    public void putLongBig(int byteOffset, long value) {
        Memory.putLong(address + byteOffset, Long.reverseBytes(value));
    }

    /** A 32-bit little-endian entry. */
    public int getIntLittle(int byteOffset) {
        return Memory.getInt(address + byteOffset);
    }

    /** Sets a 32-bit little-endian entry; {@link DirtyTables#mark} then marks it for writing. */
    public void putIntLittle(int byteOffset, int value) {
        Memory.putInt(address + byteOffset, value);
    }

    /** A 64-bit little-endian entry. */
    public long getLongLittle(int byteOffset) {
        return Memory.getLong(address + byteOffset);
    }

    /** The native address of its first byte, for entries of other widths. */
    public long address() {
        return address;
    }

    void markDirty(int from, int bytes) {
        int step = granule / SECTOR;
        int first = from / granule * step;
        int last = (from + bytes - 1) / granule * step + step - 1;
        for (int sector = first; sector <= last; sector++) {
            dirty[sector >> 6] |= 1L << sector;
        }
    }

    /** Removes a pin. */
    void release() {
        if (keeper != null) {
            keeper.unpin(this);
        } else {
            pins--;
        }
    }

    /** Drops a new table that was not written to the file. */
    void drop() {
        keeper.drop(this);
    }

    boolean isDirty() {
        for (long word : dirty) {
            if (word != 0) {
                return true;
            }
        }
        return false;
    }

    /** Starts writing the dirty runs, and calls back when all have ended. Those of a write that failed stay dirty. */
    void writeDirty(Runnable whenEnded) {
        store.whenEnded = whenEnded;
        store.pending = 1;
        writeError = 0;
        System.arraycopy(dirty, 0, writing, 0, dirty.length);
        Arrays.fill(dirty, 0);
        int sectors = size / SECTOR;
        int from = next(writing, 0, true, sectors);
        while (from < sectors) {
            int to = next(writing, from, false, sectors);
            store.pending++;
            file.write(
                    fileOffset + (long) from * SECTOR,
                    memory,
                    (long) from * SECTOR,
                    (long) (to - from) * SECTOR,
                    store);
            if (mirror != NO_MIRROR) {
                store.pending++;
                file.write(
                        mirror + (long) from * SECTOR,
                        memory,
                        (long) from * SECTOR,
                        (long) (to - from) * SECTOR,
                        store);
            }
            from = next(writing, to, true, sectors);
        }
        store.done(0);
    }

    /** The error of the last {@link #writeDirty}. */
    int writeError() {
        return writeError;
    }

    private void written() {
        if (writeError != 0) {
            for (int i = 0; i < dirty.length; i++) {
                dirty[i] |= writing[i];
            }
        }
        store.whenEnded.run();
    }

    private static int next(long[] bits, int from, boolean wanted, int end) {
        for (int i = from; i < end; ) {
            long word = wanted ? bits[i >> 6] : ~bits[i >> 6];
            word &= -1L << i;
            if (word != 0) {
                return Math.min(end, (i & ~63) + Long.numberOfTrailingZeros(word));
            }
            i = (i & ~63) + 64;
        }
        return end;
    }

    /** Starts writing all of it; returns how many writes will call back. */
    int writeWhole(IoCallback done) {
        file.write(fileOffset, memory, 0, size, done);
        if (mirror == NO_MIRROR) {
            return 1;
        }
        file.write(mirror, memory, 0, size, done);
        return 2;
    }

    void startLoad() {
        file.read(fileOffset, memory, 0, size, load);
    }

    private final class Load implements IoCallback {
        @Override
        public void done(int error) {
            keeper.loaded(Table.this, error);
        }
    }

    private final class Store implements IoCallback {
        private Runnable whenEnded;
        private int pending;

        @Override
        public void done(int error) {
            if (writeError == 0) {
                writeError = error;
            }
            if (--pending == 0) {
                written();
            }
        }
    }
}
