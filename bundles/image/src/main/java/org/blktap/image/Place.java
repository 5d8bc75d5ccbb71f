package org.blktap.image;

import org.blktap.api.engine.IoFile;

/**
 * A map's answer to one look-up: where the disk's bytes from one offset on are stored. Each operation of a disk has a
 * place of its own, so that a request allocates none. The map fills it in one call of {@link ClusterMap#find}, and it
 * does not change until the same operation looks up its next run. It also holds the entries that the map has read, so
 * that {@link ClusterMap#allocate} decodes nothing twice. Loop only.
 */
public final class Place {
    /** How the bytes are stored. */
    public enum Kind {
        /** Data in {@link #file} at {@link #fileOffset}, for {@link #length} bytes; may be overwritten there. */
        DATA,
        /** Data as with DATA, to which other entries refer too: it is copied before it is written. */
        SHARED,
        /** Zeros, regardless of the backing. */
        ZERO,
        /** Not allocated: the backing disk's bytes, or zeros without one. */
        UNALLOCATED,
        /** A compressed cluster of {@link #compressedLength} bytes in {@link #file} at {@link #fileOffset}. */
        COMPRESSED,
        /** The cache {@link #tables} must load the table at {@link #fileOffset} first. */
        NOT_LOADED,
        /** The table entry breaks the format's rules: reads and writes of this run fail. */
        CORRUPT
    }

    private long offset;
    private Kind kind;
    private IoFile file;
    private long fileOffset;
    private long length;
    private int compressedLength;
    private int clusterOffset;
    private TableCache tables;
    // what the map has read
    private int slot;
    private long directory;
    private Table table;
    private int index;
    private long entry;
    private long bits;

    /** Clears the last answer, before the map is asked about an offset. */
    void ask(long diskOffset) {
        offset = diskOffset;
        kind = null;
        file = null;
        tables = null;
        slot = 0;
        directory = 0;
        table = null;
        index = 0;
        entry = 0;
        bits = 0;
    }

    /** Copies the answer of another place to the same look-up. */
    void copy(Place other) {
        offset = other.offset;
        kind = other.kind;
        file = other.file;
        fileOffset = other.fileOffset;
        length = other.length;
        compressedLength = other.compressedLength;
        clusterOffset = other.clusterOffset;
        tables = other.tables;
        slot = other.slot;
        directory = other.directory;
        table = other.table;
        index = other.index;
        entry = other.entry;
        bits = other.bits;
    }

    // ---- the map's answers: one of these for each look-up

    /** Answers {@link Kind#DATA}. */
    public void data(IoFile inFile, long at, long bytes) {
        set(Kind.DATA, bytes);
        file = inFile;
        fileOffset = at;
    }

    /** Answers {@link Kind#SHARED}. */
    public void shared(IoFile inFile, long at, long bytes) {
        set(Kind.SHARED, bytes);
        file = inFile;
        fileOffset = at;
    }

    /** Answers {@link Kind#ZERO}. */
    public void zero(long bytes) {
        set(Kind.ZERO, bytes);
    }

    /** Answers {@link Kind#UNALLOCATED}. */
    public void unallocated(long bytes) {
        set(Kind.UNALLOCATED, bytes);
    }

    /** Answers {@link Kind#CORRUPT}; the map has logged it, once. */
    public void corrupt(long bytes) {
        set(Kind.CORRUPT, bytes);
    }

    /**
     * Answers {@link Kind#COMPRESSED}.
     *
     * @param stored bytes of the compressed stream; more than {@link Compression#mostBytes} is an I/O error
     * @param inCluster position of the asked offset in the decompressed cluster
     * @param bytes bytes from there on, at most to the end of the cluster
     */
    public void compressed(IoFile inFile, long at, int stored, int inCluster, long bytes) {
        set(Kind.COMPRESSED, bytes);
        file = inFile;
        fileOffset = at;
        compressedLength = stored;
        clusterOffset = inCluster;
    }

    /** Answers {@link Kind#NOT_LOADED}. */
    public void notLoaded(TableCache cache, long tableOffset) {
        set(Kind.NOT_LOADED, 0);
        tables = cache;
        fileOffset = tableOffset;
    }

    private void set(Kind newKind, long bytes) {
        kind = newKind;
        length = bytes;
    }

    // ---- what the map has read, besides its answer; for its own decisions

    /** Records the directory's entry that leads to the asked offset. */
    public void inDirectory(int number, long value) {
        slot = number;
        directory = value;
    }

    /**
     * Records the table's entry for the asked offset.
     *
     * @param secondWord for formats whose entries have one
     */
    public void inTable(Table readFrom, int number, long value, long secondWord) {
        table = readFrom;
        index = number;
        entry = value;
        bits = secondWord;
    }

    /** Number of the entry in the directory. */
    public int slot() {
        return slot;
    }

    /** The directory's entry. */
    public long directory() {
        return directory;
    }

    /**
     * The table that the directory's entry points at; null where there is none. Not pinned: valid until the operation
     * waits.
     */
    public Table table() {
        return table;
    }

    /** Number of the first byte's entry in {@link #table}. */
    public int index() {
        return index;
    }

    /** The entry; 0 without a table. */
    public long entry() {
        return entry;
    }

    /** The entry's second word, for formats that have one. */
    public long bits() {
        return bits;
    }

    // ---- for the disk

    /** The asked offset, in bytes from the beginning of the disk. */
    public long offset() {
        return offset;
    }

    public Kind kind() {
        return kind;
    }

    /** The file of data or of a compressed cluster. */
    public IoFile file() {
        return file;
    }

    /** Bytes from the beginning of the file: of the data, the compressed stream, or the table to load. */
    public long fileOffset() {
        return fileOffset;
    }

    /** Bytes from the asked offset that are stored alike; at least 1 unless NOT_LOADED, at most the asked length. */
    public long length() {
        return length;
    }

    /** Bytes of the compressed stream. */
    public int compressedLength() {
        return compressedLength;
    }

    /** Bytes from the beginning of the decompressed cluster to the asked offset. */
    public int clusterOffset() {
        return clusterOffset;
    }

    /** The cache that has to load a table. */
    public TableCache tables() {
        return tables;
    }

    /** Whether {@code bytes} from the asked offset on are one run of a file that may be overwritten. */
    boolean isOneRun(long bytes) {
        return kind == Kind.DATA && length == bytes;
    }

    /**
     * Whether clusters stored like this may read as anything but zeros.
     *
     * @param start of the first of them
     * @param backingSize bytes of the backing disk
     */
    boolean hasContents(long start, long backingSize) {
        return kind == Kind.COMPRESSED || kind == Kind.SHARED || kind == Kind.UNALLOCATED && start < backingSize;
    }

    /** Whether {@code bytes} from the asked offset on are known to be zeros. */
    boolean isZeros(long bytes, long backingSize) {
        return length == bytes && (kind == Kind.ZERO || kind == Kind.UNALLOCATED && offset >= backingSize);
    }
}
