package org.blktap.image;

import java.util.ArrayDeque;

/**
 * A map's decision about one write into new clusters, kept by the disk until the write ends: where the data goes
 * ({@link Target}), how the entries change ({@link EntryChange}), and which conditions the write must wait for. The
 * disk clears it before it asks the map, so that the map sets only the values that differ, in any order. One for each
 * allocating write, pooled with it. Loop only.
 */
public final class Allocation {
    private final Target target = new Target();
    private final EntryChange change = new EntryChange();
    private FileSpace space;
    private long endOfFile;
    private long busyStart;
    private long busyEnd;
    private boolean barrier;
    private TableCache cache;
    private long tableOffset;

    // kept by the disk
    private final ArrayDeque<Resumable> waiters = new ArrayDeque<>();
    /** A format changes at most two tables in one allocation. */
    private Table firstChanged;

    private Table secondChanged;
    private int error;

    void clear() {
        target.clear();
        change.clear();
        space = null;
        endOfFile = 0;
        busyStart = 0;
        busyEnd = 0;
        barrier = false;
        cache = null;
        firstChanged = null;
        secondChanged = null;
        error = 0;
    }

    // ---- for the map

    /** Destination of the data; stays empty if only entries change. */
    public Target target() {
        return target;
    }

    /** How the entries change. */
    public EntryChange change() {
        return change;
    }

    /** Requires a file to be {@code end} bytes long before anything is written. */
    public void room(FileSpace in, long end) {
        space = in;
        endOfFile = end;
    }

    /**
     * Sets the bytes of the disk whose writes wait for this allocation: its clusters, or all bytes that a new table
     * covers.
     */
    public void busy(long start, long end) {
        busyStart = start;
        busyEnd = end;
    }

    /**
     * Asks for a flush between data and entries. The disk itself asks for one if the clusters had contents. In other
     * clusters lost data reads as zeros, as before the write, because new space does.
     */
    public void needsBarrier() {
        barrier = true;
    }

    /** Notes that no table of this cache is free at present, and answers NO_TABLE. */
    public Answer noTable(TableCache full) {
        cache = full;
        return Answer.NO_TABLE;
    }

    /** Notes a table that must be loaded before the map can decide, and answers NOT_LOADED. */
    public Answer notLoaded(TableCache from, long offset) {
        cache = from;
        tableOffset = offset;
        return Answer.NOT_LOADED;
    }

    // ---- for the disk

    /** The file that must grow first; null if it is long enough. */
    FileSpace space() {
        return space;
    }

    /** Length that this file must have. */
    long endOfFile() {
        return endOfFile;
    }

    long busyStart() {
        return busyStart;
    }

    boolean overlaps(long start, long end) {
        return start < busyEnd && busyStart < end;
    }

    /** Whether the data must be on disk before the entries are written. */
    boolean barrier() {
        return barrier || target.isUsed();
    }

    /** The cache of a NO_TABLE or NOT_LOADED. */
    TableCache cache() {
        return cache;
    }

    /** Offset in the file of the table of a NOT_LOADED. */
    long tableOffset() {
        return tableOffset;
    }

    boolean hasData() {
        return change.kind() == EntryChange.Kind.DATA;
    }

    /** Resumes an operation when the allocation has ended. */
    void await(Resumable operation) {
        waiters.add(operation);
    }

    /** Resumes the operations that wait now. What they start does not belong to this allocation. */
    void resumeWaiters() {
        for (int n = waiters.size(); n > 0; n--) {
            waiters.poll().resume(0);
        }
    }

    /** Notes a table that the allocation has changed. */
    void changed(Table table) {
        if (table != firstChanged) {
            secondChanged = firstChanged;
            firstChanged = table;
        }
    }

    /** The error of writing the tables that the allocation changed. */
    int writeError() {
        int first = firstChanged == null ? 0 : firstChanged.writeError();
        return first != 0 || secondChanged == null ? first : secondChanged.writeError();
    }

    /** Sets the errno of an allocation whose entries are not in the file; 0 if they are. */
    void fail(int errno) {
        error = errno;
    }

    int error() {
        return error;
    }
}
