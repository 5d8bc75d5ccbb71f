package org.blktap.image;

import org.blktap.api.engine.IoCallback;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A format's table arithmetic: where the bytes of the disk are, where new ones go, which table entries then say so. It
 * never waits and starts no I/O; {@link ClusterDisk} does all that. Loop only.
 *
 * <p>An allocation goes through these calls, in this order: {@link #allocate}; the disk writes the data and any new
 * table; {@link #commit}, when what the entries will point at is in the file; the disk writes the entries;
 * {@link #undo} if that failed; {@link #settled} always, at the end. Between allocate and commit
 * {@link #lookup} goes on answering the old state.
 */
@ConsumerType
public interface ClusterMap {
    /** Answers: the range does not touch disk bytes that may be allocated (its table is corrupt). */
    int REFUSED = -1;
    /** Answers, by {@link Allocation#noTable}: no table of the cache is free at present; asked again when one may be. */
    int NO_TABLE = 0;
    /** Answers: the allocation is filled in. */
    int ALLOCATED = 1;
    /** Answers, by {@link Allocation#length}: so much of the range takes no space already. */
    int NOTHING = 2;

    /** Bytes that are allocated as one: a power of two from 512 on. */
    int clusterSize();

    /**
     * Says how bytes {@code [offset, offset + length)} are stored: a run from {@code offset} on, as long as the loaded
     * tables say that it is stored alike (data: contiguous in the file).
     */
    void lookup(long offset, long length, Mapping into);

    /**
     * Decides where a range that a look-up has just called ZERO, UNALLOCATED or COMPRESSED is put. The whole range is
     * of that one kind; it may be cut at its end, down to what one table holds, but not below one cluster.
     *
     * @return {@link #ALLOCATED}, {@link #NO_TABLE} or {@link #REFUSED}
     */
    int allocate(long offset, long length, Allocation into);

    /**
     * Decides how whole clusters, which a look-up has just called UNALLOCATED, SHARED or COMPRESSED, are marked as zeros without taking
     * space, with {@link Allocation#marks}. A format without such marks answers REFUSED, and zeros are written.
     */
    default int markZero(long offset, long length, Allocation into) {
        return REFUSED;
    }

    /**
     * Decides how whole units of {@link #largestUnit}, from the first byte of one on, lose their space: their entries change with
     * {@link Allocation#releases}, and what they pointed at is freed. The first has just been looked up, and is neither CORRUPT nor NOT_LOADED.
     * The range may be cut at its end, not below one unit. A format that cannot answers REFUSED: then the range is zeroed or discarded where it is.
     *
     * @param zeros whether the range has to read as zeros; if not, zeros or what it held (but nothing else)
     * @return {@link #ALLOCATED}, {@link #NOTHING}, {@link #NO_TABLE} or {@link #REFUSED}
     */
    default int release(long offset, long length, boolean zeros, Allocation into) {
        return REFUSED;
    }

    /** Kept by the disk for a map that frees clusters while it is in use; null for one that does not. Always the same. */
    default InFlight inFlight() {
        return null;
    }

    /** Bytes that are read or replaced as one at most: a cluster, where that is not the same as {@link #clusterSize}. */
    default int largestUnit() {
        return clusterSize();
    }

    /** Runs a task when nothing is under way that the map has started by itself, such as extending a file: now, or soon. */
    default void whenIdle(Runnable task) {
        task.run();
    }

    /** An error of a flush that the map has started by itself, once: the next flush that is asked for must report it. */
    default int takeFlushError() {
        return 0;
    }

    /** Called before a flush, whose success is reported by {@link #flushed}. */
    default void flushing() {
        // most have nothing to free
    }

    /** A flush has succeeded: the map may now free what no table has pointed at since {@link #flushing}. Calls back, now or later. */
    default void flushed(IoCallback done) {
        done.done(0);
    }

    /** Puts an allocation's entries into the tables in memory, and reports which bytes of which tables changed. */
    void commit(Allocation allocation, DirtyTables dirty);

    /** Takes the entries back in memory, as they could not be written, and reports again which bytes changed. */
    void undo(Allocation allocation, DirtyTables dirty);

    /**
     * The allocation has ended: unpins its tables.
     *
     * @param kept whether its entries are in the file; if not, a new table is dropped
     */
    void settled(Allocation allocation, boolean kept);

    /** Closes tables and files; nothing is in flight. May block briefly. */
    void close();
}
