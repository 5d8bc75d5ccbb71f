package org.blktap.image;

import java.util.ArrayDeque;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * Metadata tables of one size, by their offset in one file, in one run of native memory: bounded, least recently used
 * goes first, pinned ones stay. Concurrent misses of one table share one read. Loop only.
 */
public final class TableCache implements AutoCloseable {
    /** Least tables of a cache, so that requests in flight do not starve each other. */
    private static final int FEWEST = 16;
    /** A bound of the bookkeeping, whatever is asked for. */
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
     * @param mostTables how many tables the image can have, so that a small one takes little memory
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

    /** The table if it is loaded, or null. */
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

    /** Takes a pin back. */
    public void unpin(Table table) {
        if (--table.pins == 0) {
            feedStarved();
        }
    }

    /**
     * A new zeroed table, pinned, that is not in the file yet; null if all tables are pinned or loading. One that was there before is forgotten.
     *
     * @param fileOffset where it will be; no other table is there any more
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
     * As {@link #create}, with the contents of a table of this cache that is loaded.
     *
     * @param from need not be pinned; stays loaded
     */
    public Table copy(Table from, long fileOffset) {
        from.pins++;
        Table table = create(fileOffset);
        // no operation waits for this pin: those that found no room wait for others
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

    /** Forgets a table that {@link #create} made and that did not get into the file. */
    public void drop(Table table) {
        table.pins = 0;
        forget(table);
        free.push(table);
        feedStarved();
    }

    /** Reads a table; the operation is resumed when it is here, or with the error. */
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
        // resumed operations may wait for this place again: only those who wait now are resumed
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
