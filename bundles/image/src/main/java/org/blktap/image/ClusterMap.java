package org.blktap.image;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * A format's table arithmetic: where the bytes of the disk are, where new ones go, and which table entries then point
 * at them. It never waits and starts no I/O; {@link ClusterDisk} does all that. Loop only.
 *
 * <p>A change begins with a look-up, whose {@link Place} is passed on: {@link #allocate}, {@link #markZero} and
 * {@link #release} follow it at once, and do not decode entries again. An allocation goes on in this order: the disk
 * writes the data and any new table; {@link #commit}, when everything that the entries will point at is in the file;
 * the disk writes the entries; {@link #undo} if that failed; {@link #settled} always, at the end. Between allocate and
 * commit {@link #find} still answers with the old state.
 *
 * <p>The objects that a map fills in belong to the disk, which reuses them: a map allocates none for a request.
 */
@ConsumerType
public interface ClusterMap {
    /** Bytes that are allocated as one: a power of two from 512 on. */
    int clusterSize();

    /**
     * Most bytes that are read or replaced as one: the format's cluster, if that is larger than {@link #clusterSize}.
     */
    default int largestUnit() {
        return clusterSize();
    }

    /** How compressed clusters are read. Always the same. */
    default Compression compression() {
        return Compression.NONE;
    }

    /** The map's own work in its files, apart from requests. Always the same. */
    default Space space() {
        return Space.STILL;
    }

    /**
     * Finds how bytes {@code [offset, offset + length)} are stored: answers with a run from {@code offset} on, as far
     * as the loaded tables show it to be stored alike (data: contiguous in the file).
     */
    void find(long offset, long length, Place into);

    /**
     * Decides where a range from the beginning of a place goes. The place is ZERO, UNALLOCATED, SHARED or COMPRESSED.
     * The range may be cut at its end, down to what one table holds, but not below one cluster.
     *
     * @param length bytes, at most the place's
     * @return {@link Answer#ALLOCATED}, {@link Answer#NO_TABLE}, {@link Answer#NOT_LOADED}, {@link Answer#PREPARED} or
     *     {@link Answer#REFUSED}
     */
    Answer allocate(Place found, long length, Allocation into);

    /**
     * Decides how whole clusters from the beginning of a place are marked as zeros without taking space
     * ({@link EntryChange.Kind#ZEROS}). The place is UNALLOCATED, SHARED or COMPRESSED. A format without such marks
     * answers REFUSED, and zeros are written.
     */
    default Answer markZero(Place found, long length, Allocation into) {
        return Answer.REFUSED;
    }

    /**
     * Decides how whole units of {@link #largestUnit}, from the beginning of a place on, lose their space
     * ({@link EntryChange.Kind#RELEASED}). The place is neither CORRUPT nor NOT_LOADED. The range may be cut at its
     * end, not below one unit. A format that cannot do this answers REFUSED: then the range is zeroed or discarded
     * where it is.
     *
     * @param length bytes; may be more than the place's
     * @param zeros whether the range must read as zeros; otherwise it may read as zeros or as what it held
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
     * Unpins the tables of an allocation that has ended.
     *
     * @param kept whether its entries are in the file; if not, a new table is dropped
     */
    void settled(EntryChange change, boolean kept);

    /** Closes tables and files; nothing is in flight. May block briefly. */
    void close();
}
