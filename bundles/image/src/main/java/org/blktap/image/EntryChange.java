package org.blktap.image;

/**
 * The table entries that an allocation changes, with their old and new values. The map fills it in, in any order, and
 * gets it back for {@link ClusterMap#commit}, {@link ClusterMap#undo} and {@link ClusterMap#settled}; the disk only
 * reads it. Part of an {@link Allocation}. Loop only.
 */
public final class EntryChange {
    /** State of the entries afterwards. */
    public enum Kind {
        /** Point at the data of the write. */
        DATA,
        /** Are zeros, without taking space. */
        ZEROS,
        /** Point at nothing: what they pointed at is freed. */
        RELEASED,
        /** Point at a table that the map needs before it can decide; no byte of the disk is covered. */
        TABLE
    }

    private Kind kind;
    private long offset;
    private long length;
    private Table table;
    private boolean newTable;
    private Table second;
    private int secondEntry;
    private int slot;
    private long previousDirectory;
    private int first;
    private int count;
    private long previous;
    private long previousBits;
    private long next;
    private long nextBits;

    void clear() {
        kind = null;
        offset = 0;
        length = 0;
        table = null;
        newTable = false;
        second = null;
    }

    /** Sets the kind of change and the bytes of the disk that it covers, from the asked offset on. */
    public void covers(Kind what, long diskOffset, long bytes) {
        kind = what;
        offset = diskOffset;
        length = bytes;
    }

    /** Says that the entries are in an existing table; it is pinned. */
    public void inTable(Table existing) {
        table = existing;
        newTable = false;
    }

    /**
     * Says that the entries are in a new table, which only this change knows; it is pinned, and is written whole with
     * the data.
     *
     * @param directorySlot index of the directory's entry that will point at it
     * @param directoryBefore old value of that entry
     */
    public void inNewTable(Table created, int directorySlot, long directoryBefore) {
        table = created;
        newTable = true;
        slot = directorySlot;
        previousDirectory = directoryBefore;
    }

    /**
     * Says that an entry of a second existing table changes too, or may; it is pinned.
     *
     * @param entry its number
     */
    public void alsoIn(Table existing, int entry) {
        second = existing;
        secondEntry = entry;
    }

    /** Sets which entries of the table change, and the old value of the first one. */
    public void entries(int firstEntry, int entryCount, long entryBefore, long secondWordBefore) {
        first = firstEntry;
        count = entryCount;
        previous = entryBefore;
        previousBits = secondWordBefore;
    }

    /** Sets the new value of the first entry; with {@link Kind#DATA} the next ones point at the following clusters. */
    public void become(long entry, long secondWord) {
        next = entry;
        nextBits = secondWord;
    }

    public Kind kind() {
        return kind;
    }

    /** First byte of the range, from the beginning of the disk. */
    public long offset() {
        return offset;
    }

    /** Bytes of the disk that are covered, from {@link #offset} on. */
    public long length() {
        return length;
    }

    public Table table() {
        return table;
    }

    /** Whether {@link #table} is new. */
    public boolean newTable() {
        return newTable;
    }

    /** The second table; null if only one changes. */
    public Table second() {
        return second;
    }

    /** Number of the entry in the second table. */
    public int secondEntry() {
        return secondEntry;
    }

    /** Number of the directory's entry that points at a new table. */
    public int slot() {
        return slot;
    }

    /** Old value of the directory's entry. */
    public long previousDirectory() {
        return previousDirectory;
    }

    /** Number of the first entry that changes. */
    public int first() {
        return first;
    }

    /** How many entries change. */
    public int count() {
        return count;
    }

    /** The old value of the first entry. */
    public long previous() {
        return previous;
    }

    /** The old second word of the first entry, for formats whose entries have one. */
    public long previousBits() {
        return previousBits;
    }

    /** The new value of the first entry. */
    public long next() {
        return next;
    }

    /** The new second word of the first entry, for formats whose entries have one. */
    public long nextBits() {
        return nextBits;
    }

    /** Unpins the tables when the allocation has ended, and drops a new table that is not in the file. */
    public void releaseTable(boolean kept) {
        if (second != null) {
            second.release();
        }
        if (newTable && !kept) {
            table.drop();
        } else {
            table.release();
        }
    }
}
