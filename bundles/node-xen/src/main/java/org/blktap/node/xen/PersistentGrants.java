package org.blktap.node.xen;

import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.ring.Blkif;

/**
 * The pages that a frontend uses again and again (feature-persistent): mapped when first seen and kept until the device stops, up to a limit. What is
 * not mapped yet is gathered with {@link #want} and mapped by one call. Loop only.
 */
final class PersistentGrants implements AutoCloseable {
    private static final long FREE = 0;
    private static final long WANTED = -1;
    /** It was not granted when it was to be mapped, and is not tried again. */
    private static final long FAILED = -2;

    /** So many calls map whatever is wanted; each takes one of the process's mappings for good. */
    private static final int CALLS_FREE = 512;
    /** After those, a call has to map at least so many pages. */
    private static final int BATCH = 32;

    private final GrantTable table;
    private final int domain;
    private final int limit;
    /** Open addressing, at most half full: the references, and the addresses of their pages or one of the above. */
    private final int[] grefs;
    private final long[] pages;
    private final int mask;
    private final NativeBuffer wanted;
    private int wantedCount;
    private int used;
    private int calls;

    /** @param limit the most pages to map */
    PersistentGrants(NativeMemory memory, GrantTable table, int domain, int limit) {
        this.table = table;
        this.domain = domain;
        this.limit = limit;
        int slots = Integer.highestOneBit(limit) * 4;
        grefs = new int[slots];
        pages = new long[slots];
        mask = slots - 1;
        wanted = memory.allocate((long) limit * Integer.BYTES);
    }

    /** The address of a page, or 0 if it is not mapped. */
    long page(int gref) {
        return Math.max(0, pages[slot(gref)]);
    }

    /** Where a reference is, or would be. */
    private int slot(int gref) {
        // Fibonacci hashing: references of one frontend are numbers in a row
        int slot = gref * 0x9e3779b9 >>> 8 & mask;
        while (pages[slot] != FREE && grefs[slot] != gref) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    /** Has a page mapped by the next {@link #map}, if it has not been seen before and the limit is not reached. */
    void want(int gref) {
        int slot = slot(gref);
        if (pages[slot] == FREE && used < limit) {
            used++;
            grefs[slot] = gref;
            pages[slot] = WANTED;
            Memory.putInt(wanted.address() + (long) wantedCount++ * Integer.BYTES, gref);
        }
    }

    /**
     * Maps what is wanted, as far as it is granted; a frontend that brings its pages one by one waits after a while until there are some
     * more, since the kernel has only so many mappings for this process. What is not mapped is to be copied.
     */
    void map() {
        if (wantedCount == 0 || calls >= CALLS_FREE && wantedCount < BATCH) {
            return;
        }
        long first = map(wanted.address(), wantedCount);
        for (int i = 0; i < wantedCount; i++) {
            long gref = wanted.address() + (long) i * Integer.BYTES;
            long page = first + (long) i * Blkif.PAGE;
            if (first == 0) {
                // one that is not granted must not keep the others from being mapped
                page = wantedCount == 1 || calls >= CALLS_FREE ? 0 : map(gref, 1);
            }
            pages[slot(Memory.getInt(gref))] = page == 0 ? FAILED : page;
        }
        wantedCount = 0;
    }

    private long map(long list, int count) {
        calls++;
        return table.map(domain, list, count);
    }

    /** How many pages it knows, for people. */
    int count() {
        return used;
    }

    /** The pages stay mapped until the grant table is closed. */
    @Override
    public void close() {
        wanted.close();
    }
}
