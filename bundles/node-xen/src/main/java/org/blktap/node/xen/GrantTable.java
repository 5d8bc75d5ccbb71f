package org.blktap.node.xen;

/** Pages that another domain has granted to ours. One thread at a time. */
interface GrantTable extends AutoCloseable {
    /**
     * Maps pages for reading and writing, one after the other.
     *
     * @param grefs the address of so many 32-bit grant references
     * @return the address of the first page; 0 when one of them is not granted, and then none is mapped
     */
    long map(int domain, long grefs, int count);

    /** Whether the kernel can move data between a mapped page and a disk without us, as O_DIRECT does. */
    boolean reachesDisks(long address);

    /**
     * Copies between granted pages and memory of ours, piece by piece.
     *
     * @param pieces the address of {@code count} structures, see {@link GrantCopies}; each gets a status of its own
     * @return false if the call failed: then the statuses have no meaning
     */
    boolean copy(long pieces, int count);

    /** Unmaps everything. */
    @Override
    void close();
}
