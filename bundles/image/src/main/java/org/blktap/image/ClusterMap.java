package org.blktap.image;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * A format's table arithmetic: where the bytes of the disk are, where new ones go, which table entries then say so. It
 * never waits and starts no I/O; {@link ClusterDisk} does all that. Loop only.
 *
 * <p>A change begins with a look-up, whose {@link Place} is passed on: {@link #allocate}, {@link #markZero} and {@link #release} follow it at once,
 * and need decode nothing again. An allocation goes on in this order: the disk writes the data and any new
 * table; {@link #commit}, when what the entries will point at is in the file; the disk writes the entries;
 * {@link #undo} if that failed; {@link #settled} always, at the end. Between allocate and commit
 * {@link #find} goes on answering the old state.
 *
 * <p>All objects that are filled in belong to the disk, which uses them again: a map allocates none for a request.
 */
@ConsumerType
public interface ClusterMap {
    /** Bytes that are allocated as one: a power of two from 512 on. */
    int clusterSize();

    /** Bytes that are read or replaced as one at most: a cluster, where that is not the same as {@link #clusterSize}. */
    default int largestUnit() {
        return clusterSize();
    }

    /** How compressed clusters are read. Always the same. */
    default Compression compression() {
        return Compression.NONE;
    }

    /** What happens in its files besides the requests. Always the same. */
    default Space space() {
        return Space.STILL;
    }

    /**
     * Says how bytes {@code [offset, offset + length)} are stored: a run from {@code offset} on, as long as the loaded
     * tables say that it is stored alike (data: contiguous in the file).
     */
    void find(long offset, long length, Place into);

    /**
     * Decides where a range from the beginning of a place is put, which is ZERO, UNALLOCATED, SHARED or COMPRESSED. It may be cut at its end,
     * down to what one table holds, but not below one cluster.
     *
     * @param length bytes, at most the place's
     * @return {@link Answer#ALLOCATED}, {@link Answer#NO_TABLE} or {@link Answer#REFUSED}
     */
    Answer allocate(Place found, long length, Allocation into);

    /**
     * Decides how whole clusters from the beginning of a place, which is UNALLOCATED, SHARED or COMPRESSED, are marked as zeros without taking
     * space: {@link EntryChange.Kind#ZEROS}. A format without such marks answers REFUSED, and zeros are written.
     */
    default Answer markZero(Place found, long length, Allocation into) {
        return Answer.REFUSED;
    }

    /**
     * Decides how whole units of {@link #largestUnit}, from the beginning of a place on, which is neither CORRUPT nor NOT_LOADED, lose their space:
     * {@link EntryChange.Kind#RELEASED}. The range may be cut at its end, not below one unit. A format that cannot answers REFUSED: then the range is
     * zeroed or discarded where it is.
     *
     * @param length bytes, perhaps more than the place's
     * @param zeros whether the range has to read as zeros; if not, zeros or what it held (but nothing else)
     * @return {@link Answer#ALLOCATED}, {@link Answer#NOTHING}, {@link Answer#NO_TABLE} or {@link Answer#REFUSED}
     */
    default Answer release(Place found, long length, boolean zeros, Allocation into) {
        return Answer.REFUSED;
    }

    /** Puts the changed entries into the tables in memory, and reports which bytes of which tables changed. */
    void commit(EntryChange change, DirtyTables dirty);

    /** Takes the entries back in memory, as they could not be written, and reports again which bytes changed. */
    void undo(EntryChange change, DirtyTables dirty);

    /**
     * The allocation has ended: unpins its tables.
     *
     * @param kept whether its entries are in the file; if not, a new table is dropped
     */
    void settled(EntryChange change, boolean kept);

    /** Closes tables and files; nothing is in flight. May block briefly. */
    void close();
}
