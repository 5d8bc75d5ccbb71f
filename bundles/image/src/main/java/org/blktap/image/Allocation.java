package org.blktap.image;

import org.blktap.api.engine.IoFile;

/**
 * Where a run of new clusters goes, as {@link ClusterMap#allocate} decides it. Pooled and reused. The fields after
 * {@code busy} are the map's own: {@link ClusterDisk} only writes {@link #newTable} out.
 */
public final class Allocation {
    private long offset;
    private IoFile file;
    private FileSpace space;
    private long fileOffset;
    private long length;
    private long endOfFile;
    private long busyStart;
    private long busyEnd;
    private boolean barrier;
    private boolean hasData;
    private boolean dirtySpace;
    private boolean releases;
    private int unit;
    private TableCache tables;

    private Table table;
    /** A format changes at most two tables for one allocation: two copies of one. */
    private Table firstChanged;
    private Table secondChanged;
    int error;
    private boolean newTable;
    private int directoryEntry;
    private int firstEntry;
    private int entries;
    private long previous;
    private long previousDirectory;
    private long previousBits;
    private long released;
    private long releasedBits;

    /**
     * The place of the data.
     *
     * @param offset the first byte of the disk that was asked for
     * @param bytes how much of the asked range is covered, from there
     * @param inFile the file that holds data
     * @param clusterOffset where in it the first cluster begins
     */
    public void place(long offset, long bytes, IoFile inFile, long clusterOffset) {
        marks(offset, bytes);
        hasData = true;
        file = inFile;
        fileOffset = clusterOffset;
    }

    /** Requires a file to be that long before anything is written. */
    public void room(FileSpace in, long end) {
        space = in;
        endOfFile = end;
    }

    /** Only entries change: the range, whole clusters, must read as zeros without taking space. */
    public void marks(long offset, long bytes) {
        this.offset = offset;
        length = bytes;
        file = null;
        space = null;
        endOfFile = 0;
        hasData = false;
        dirtySpace = false;
        releases = false;
        unit = 0;
        barrier = false;
        table = null;
        newTable = false;
        firstChanged = null;
        secondChanged = null;
        error = 0;
    }

    /** Changes entries as {@link #marks} does, and frees what they pointed at; they become all alike. */
    public void releases(long offset, long bytes, long entry, long secondWord) {
        marks(offset, bytes);
        releases = true;
        released = entry;
        releasedBits = secondWord;
    }

    /** The clusters may hold old bytes, which the disk has to write over wherever the write does not. */
    public void dirtySpace() {
        dirtySpace = true;
        barrier = true;
    }

    /** The bytes that are replaced as one where that is more than a cluster; the place is that of the first such unit. */
    public void unit(int bytes) {
        unit = bytes;
    }

    /** The bytes of the disk whose writes wait for this allocation: its clusters, or all that a new table covers. */
    public void busy(long start, long end) {
        busyStart = start;
        busyEnd = end;
    }

    /** The entries are in a table of the directory that exists already; it is pinned. */
    public void inTable(Table existing) {
        table = existing;
        newTable = false;
    }

    /** Which entries change, in whichever table, and what all of them were before. */
    public void entries(int first, int count, long previousEntry, long previousSecondWord) {
        firstEntry = first;
        entries = count;
        previous = previousEntry;
        previousBits = previousSecondWord;
    }

    /**
     * The entries are in a table that only this allocation knows; it is pinned and is written whole with the data.
     *
     * @param previousTable what the directory's entry was before
     */
    public void inNewTable(Table created, int entryOfDirectory, long previousTable) {
        table = created;
        newTable = true;
        directoryEntry = entryOfDirectory;
        previousDirectory = previousTable;
    }

    /** Answers that no table of this cache is free at present. */
    public int noTable(TableCache full) {
        tables = full;
        return ClusterMap.NO_TABLE;
    }

    /**
     * Asks for a flush between data and entries. The disk asks itself where the clusters had contents; elsewhere data that is lost
     * reads as before, as zeros, because new space does.
     */
    public void needsBarrier() {
        barrier = true;
    }

    /** Returns the table when the allocation has ended; a new one that did not get into the file is forgotten. */
    public void releaseTable(boolean kept) {
        if (newTable && !kept) {
            table.cache.drop(table);
        } else {
            table.release();
        }
    }

    void changed(Table changedTable) {
        if (changedTable != firstChanged) {
            secondChanged = firstChanged;
            firstChanged = changedTable;
        }
    }

    /** The error of writing the tables that it changed. */
    int writeError() {
        int error = firstChanged == null ? 0 : firstChanged.writeError();
        return error != 0 || secondChanged == null ? error : secondChanged.writeError();
    }

    /** The first byte of the disk that was asked for. */
    public long offset() {
        return offset;
    }

    IoFile file() {
        return file;
    }

    /** The file that must grow first; null if it is long enough. */
    FileSpace space() {
        return space;
    }

    /** Offset of the first cluster in the file. */
    public long fileOffset() {
        return fileOffset;
    }

    /** Bytes of the disk, from the asked offset on, that are covered. */
    public long length() {
        return length;
    }

    public Table table() {
        return table;
    }

    public boolean newTable() {
        return newTable;
    }

    public int directoryEntry() {
        return directoryEntry;
    }

    public int firstEntry() {
        return firstEntry;
    }

    public int entries() {
        return entries;
    }

    /** Whether what the entries pointed at is freed. */
    public boolean releases() {
        return releases;
    }

    /** What the entries become that are released. */
    public long released() {
        return released;
    }

    /** New second word, for formats whose entries have one. */
    public long releasedBits() {
        return releasedBits;
    }

    /** Old second word, for formats whose entries have one. */
    public long previousBits() {
        return previousBits;
    }

    /** What the directory's entry was before. */
    public long previousDirectory() {
        return previousDirectory;
    }

    /** What the entries were before. */
    public long previous() {
        return previous;
    }

    long endOfFile() {
        return endOfFile;
    }

    long busyStart() {
        return busyStart;
    }

    boolean overlaps(long start, long end) {
        return start < busyEnd && busyStart < end;
    }

    /** Whether anything but entries is written. */
    public boolean hasData() {
        return hasData;
    }

    boolean isDirtySpace() {
        return dirtySpace;
    }

    /** Bytes that are replaced as one. */
    int unitOr(int clusterSize) {
        return unit == 0 ? clusterSize : unit;
    }

    TableCache tables() {
        return tables;
    }

    boolean barrier() {
        return barrier;
    }
}
