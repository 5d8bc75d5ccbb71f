package org.blktap.image;

import java.util.ArrayDeque;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * A bounded cache of metadata tables of one size and one file, by their offset, in one run of native memory. The least
 * recently used table is dropped first; pinned ones stay. Concurrent misses of one table share one read. Loop only.
 */
public final class TableCache implements AutoCloseable {
    /** The limits of the formats' option {@code cache}, in bytes. */
    public static final long MIN_BYTES = 64 << 10;

    public static final long MAX_BYTES = 1L << 30;
    /** Fewest tables of a cache, so that requests in flight do not starve each other. */
    private static final int FEWEST = 16;
    /** Most tables of a cache, which bounds its bookkeeping. */
    private static final int MOST = 1 << 18;

    private final NativeBuffer memory;
    private final IoFile file;
    private final Table[] buckets;
    private final ArrayDeque<Table> free = new ArrayDeque<>();
    private final ArrayDeque<Resumable> starved = new ArrayDeque<>();
    private final Table.Keeper keeper = new Keeper();
    private Table newest;
    private Table oldest;
    private Table last;
    private long hits;
    private long misses;

    /**
     * @param tableSize bytes of a table, a multiple of 512
     * @param cacheBytes bytes of all tables; at least 16 tables are kept
     * @param mostTables the most tables that the image can have, so that a small image takes little memory
     */
    public TableCache(NativeMemory nativeMemory, IoFile file, int tableSize, long cacheBytes, long mostTables) {
        this.file = file;
        long wanted = Math.min(cacheBytes / tableSize, mostTables);
        int count = (int) Math.min(Math.max(wanted, FEWEST), MOST);
        memory = nativeMemory.allocate((long) count * tableSize);
        buckets = new Table[Integer.highestOneBit(count) * 2];
        for (int i = 0; i < count; i++) {
            free.add(new Table(memory.address() + (long) i * tableSize, tableSize, file, keeper));
        }
    }

    /** Returns the table if it is loaded; else null. */
    public Table get(long fileOffset) {
        Table table = last;
        if (table == null || table.fileOffset() != fileOffset) {
            table = find(fileOffset);
            if (table == null || table.state != Table.State.READY) {
                return null;
            }
            last = table;
            touch(table);
        }
        hits++;
        return table;
    }

    /** Look-ups answered from memory, for statistics. */
    public long hits() {
        return hits;
    }

    /** Reads of tables. */
    public long misses() {
        return misses;
    }

    /** Keeps a table in memory until {@link #unpin}. */
    public void pin(Table table) {
        table.pins++;
    }

    /** Removes a pin. */
    public void unpin(Table table) {
        if (--table.pins == 0) {
            feedStarved();
        }
    }

    /**
     * Makes a new zeroed table, pinned, that is not in the file yet; null if all tables are pinned or loading. Drops an
     * old table at this offset.
     *
     * @param fileOffset where it will be; the file has no other table there
     */
    public Table create(long fileOffset) {
        Table before = find(fileOffset);
        if (before != null) {
            if (before.pins > 0 || before.state != Table.State.READY) {
                return null;
            }
            forget(before);
            free.push(before);
        }
        Table table = take();
        if (table == null) {
            return null;
        }
        Memory.fill(table.address(), table.size(), (byte) 0);
        enter(table, fileOffset);
        table.state = Table.State.READY;
        table.pins = 1;
        return table;
    }

    /** Whether {@link #create} would find room. */
    public boolean hasRoom() {
        if (!free.isEmpty()) {
            return true;
        }
        for (Table t = oldest; t != null; t = t.newer) {
            if (t.pins == 0 && t.state == Table.State.READY) {
                return true;
            }
        }
        return false;
    }

    /**
     * Makes a table as {@link #create} does, with the contents of a loaded table of this cache.
     *
     * @param from a loaded table, which stays loaded; need not be pinned
     */
    public Table copy(Table from, long fileOffset) {
        from.pins++;
        Table table = create(fileOffset);
        // not unpin(): no operation waits for this pin, which was never visible to others
        from.pins--;
        if (table != null) {
            Memory.copy(from.address(), table.address(), table.size());
        }
        return table;
    }

    /** Whether {@link #copy} would find room. */
    public boolean hasRoomBeside(Table from) {
        from.pins++;
        boolean room = hasRoom();
        from.pins--;
        return room;
    }

    /** Drops a table of {@link #create} that was not written to the file. */
    public void drop(Table table) {
        table.pins = 0;
        forget(table);
        free.push(table);
        feedStarved();
    }

    /** Reads a table. The operation is resumed when the table is loaded, or with the error. */
    void load(long fileOffset, Resumable waiter) {
        Table table = find(fileOffset);
        if (table != null) {
            table.waiters.add(waiter);
            return;
        }
        table = take();
        if (table == null) {
            awaitRoom(waiter);
            return;
        }
        misses++;
        enter(table, fileOffset);
        table.state = Table.State.LOADING;
        table.waiters.add(waiter);
        table.startLoad();
    }

    private void loaded(Table table, int error) {
        // only the operations that wait now are resumed: they may wait for this place again
        int waiting = table.waiters.size();
        if (error == 0) {
            table.state = Table.State.READY;
            table.pins++;
            resume(table, waiting, 0);
            table.pins--;
        } else {
            forget(table);
            resume(table, waiting, error);
            free.push(table);
        }
        feedStarved();
    }

    private static void resume(Table table, int waiting, int error) {
        for (int i = 0; i < waiting; i++) {
            table.waiters.poll().resume(error);
        }
    }

    /** Resumes an operation when a table may be free. */
    void awaitRoom(Resumable waiter) {
        starved.add(waiter);
    }

    private void feedStarved() {
        // a resumed operation may come back to here
        for (int n = starved.size(); n > 0 && !starved.isEmpty() && hasRoom(); n--) {
            starved.poll().resume(0);
        }
    }

    private Table take() {
        Table table = free.poll();
        if (table != null) {
            return table;
        }
        for (table = oldest; table != null; table = table.newer) {
            if (table.pins == 0 && table.state == Table.State.READY) {
                forget(table);
                return table;
            }
        }
        return null;
    }

    private int bucket(long fileOffset) {
        long h = (fileOffset >>> 9) * 0x9E3779B97F4A7C15L;
        return (int) (h >>> 40) & (buckets.length - 1);
    }

    private Table find(long fileOffset) {
        for (Table t = buckets[bucket(fileOffset)]; t != null; t = t.hashNext) {
            if (t.fileOffset() == fileOffset) {
                return t;
            }
        }
        return null;
    }

    private void enter(Table table, long fileOffset) {
        table.at(file, fileOffset);
        int b = bucket(fileOffset);
        table.hashNext = buckets[b];
        buckets[b] = table;
        link(table);
    }

    private void forget(Table table) {
        if (last == table) {
            last = null;
        }
        int b = bucket(table.fileOffset());
        if (buckets[b] == table) {
            buckets[b] = table.hashNext;
        } else {
            Table t = buckets[b];
            while (t.hashNext != table) {
                t = t.hashNext;
            }
            t.hashNext = table.hashNext;
        }
        table.hashNext = null;
        table.state = Table.State.FREE;
        unlink(table);
    }

    private void touch(Table table) {
        if (newest != table) {
            unlink(table);
            link(table);
        }
    }

    private void link(Table table) {
        table.older = newest;
        table.newer = null;
        if (newest != null) {
            newest.newer = table;
        } else {
            oldest = table;
        }
        newest = table;
    }

    private void unlink(Table table) {
        if (table.newer != null) {
            table.newer.older = table.older;
        } else {
            newest = table.older;
        }
        if (table.older != null) {
            table.older.newer = table.newer;
        } else {
            oldest = table.newer;
        }
    }

    /** The cache as its tables use it. */
    private final class Keeper implements Table.Keeper {
        @Override
        public void loaded(Table table, int error) {
            TableCache.this.loaded(table, error);
        }

        @Override
        public void unpin(Table table) {
            TableCache.this.unpin(table);
        }

        @Override
        public void drop(Table table) {
            TableCache.this.drop(table);
        }
    }

    /** Frees the memory; nothing is in flight. */
    @Override
    public void close() {
        memory.close();
    }
}
