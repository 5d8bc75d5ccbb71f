package org.blktap.image;

import org.blktap.api.engine.IoFile;

/**
 * A map's answer to one look-up: how the disk's bytes from the asked offset on are stored. One object, filled in again by
 * every look-up; it is valid until the next. Loop only.
 */
public final class Mapping {
    /** The kinds of answer. */
    public enum Kind {
        /** Data in {@link #file} at {@link #fileOffset}, for {@link #length} bytes; may be overwritten there. */
        DATA,
        /** As DATA, but others refer to it too: it is read there, and copied to be written. */
        SHARED,
        /** Zeros, regardless of the backing. */
        ZERO,
        /** Nothing here: the backing's bytes, or zeros without one. */
        UNALLOCATED,
        /** A deflated cluster of {@link #compressedLength} bytes in {@link #file} at {@link #fileOffset}. */
        COMPRESSED,
        /** {@link #tables} has to load the table at {@link #fileOffset} first. */
        NOT_LOADED,
        /** The table entry breaks the format's rules: reads and writes of this run fail. */
        CORRUPT
    }

    private Kind kind = Kind.ZERO;
    private IoFile file;
    private long fileOffset;
    private long length;
    private int compressedLength;
    private int clusterOffset;
    private TableCache tables;

    /** Answers {@link Kind#DATA}. */
    public void data(IoFile inFile, long offset, long bytes) {
        set(Kind.DATA, bytes);
        file = inFile;
        fileOffset = offset;
    }

    /** Answers {@link Kind#SHARED}. */
    public void shared(IoFile inFile, long offset, long bytes) {
        set(Kind.SHARED, bytes);
        file = inFile;
        fileOffset = offset;
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
     * @param stored bytes of the deflated stream, at most the limit given to the disk's {@link ClusterDisk}
     * @param inCluster where in the decompressed cluster the asked offset is
     * @param bytes from there to the cluster's end at most
     */
    public void compressed(IoFile inFile, long offset, int stored, int inCluster, long bytes) {
        set(Kind.COMPRESSED, bytes);
        file = inFile;
        fileOffset = offset;
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

    public Kind kind() {
        return kind;
    }

    public IoFile file() {
        return file;
    }

    /** Bytes from the beginning of the file: of the data, the deflated stream, or the table to load. */
    public long fileOffset() {
        return fileOffset;
    }

    /** Bytes from the asked offset that are stored alike; at least 1 unless NOT_LOADED, at most what was asked. */
    public long length() {
        return length;
    }

    /** Bytes of the deflated stream. */
    public int compressedLength() {
        return compressedLength;
    }

    /** Bytes from the beginning of the decompressed cluster to the asked offset. */
    public int clusterOffset() {
        return clusterOffset;
    }

    public TableCache tables() {
        return tables;
    }
}
