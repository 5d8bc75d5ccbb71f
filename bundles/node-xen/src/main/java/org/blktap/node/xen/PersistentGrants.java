package org.blktap.node.xen;

import java.util.Arrays;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.ring.Blkif;

/**
 * The pages that a frontend uses again and again (feature-persistent): mapped when first seen and kept until the device
 * stops, up to a limit. What is not mapped yet is gathered with {@link #want} and mapped by one call. Loop only.
 */
final class PersistentGrants implements AutoCloseable {
    private static final long FREE = 0;
    private static final long WANTED = -1;
    /** It was not granted when it was mapped, and is not tried again. */
    private static final long FAILED = -2;

    /** Map calls allowed without batching; each uses one of the process's mappings permanently. */
    private static final int CALLS_FREE = 512;
    /** Pages that a later call must map at least. */
    private static final int BATCH = 32;
    /** Pages taken from the budget at a time. */
    private static final int CHUNK = 256;

    private static final int FIRST_SLOTS = 4 * CHUNK;

    private final GrantTable table;
    private final GuestLimits limits;
    private final int domain;
    private final int limit;
    /** Open addressing, at most half full: the references, and the addresses of their pages or one of the above. */
    private int[] grefs = new int[FIRST_SLOTS];

    private long[] pages = new long[FIRST_SLOTS];
    private final NativeBuffer wanted;
    private int wantedCount;
    private int used;
    /** What has been taken from the budget. */
    private int allowed;

    private boolean exhausted;
    private int calls;
    private int mappings;

    /** @param limit the most pages of this device */
    PersistentGrants(NativeMemory memory, GrantTable table, GuestLimits limits, int domain, int limit) {
        this.table = table;
        this.limits = limits;
        this.domain = domain;
        this.limit = limit;
        wanted = memory.allocate((long) limit * Integer.BYTES);
    }

    /** The address of a page, or 0 if it is not mapped. */
    long page(int gref) {
        return Math.max(0, pages[slot(gref)]);
    }

    /** Slot of a reference, or the one it would take. */
    private int slot(int gref) {
        int mask = pages.length - 1;
        // Fibonacci hashing: references of one frontend are numbers in a row
        int slot = gref * 0x9e3779b9 >>> 8 & mask;
        while (pages[slot] != FREE && grefs[slot] != gref) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    /** Has a page mapped by the next {@link #map}, if it has not been seen before and no limit is reached. */
    void want(int gref) {
        int slot = slot(gref);
        if (pages[slot] != FREE || used == allowed && !allowMore()) {
            return;
        }
        if (2 * used >= pages.length) {
            grow();
            slot = slot(gref);
        }
        used++;
        grefs[slot] = gref;
        pages[slot] = WANTED;
        Memory.putInt(wanted.address() + (long) wantedCount++ * Integer.BYTES, gref);
    }

    private boolean allowMore() {
        int more = Math.min(CHUNK, limit - allowed);
        if (exhausted || more == 0) {
            return false;
        }
        if (!limits.pages().take(domain, more, false)) {
            // not asked again for each request
            exhausted = true;
            return false;
        }
        allowed += more;
        return true;
    }

    private void grow() {
        int[] oldGrefs = grefs;
        long[] oldPages = pages;
        grefs = Arrays.copyOf(grefs, 2 * oldPages.length);
        pages = new long[2 * oldPages.length];
        for (int i = 0; i < oldPages.length; i++) {
            if (oldPages[i] != FREE) {
                int slot = slot(oldGrefs[i]);
                grefs[slot] = oldGrefs[i];
                pages[slot] = oldPages[i];
            }
        }
    }

    /**
     * Maps the wanted pages that are granted. The kernel limits the mappings of this process: if a frontend brings its
     * pages one by one, later ones are mapped in batches. Data of pages that are not mapped is copied.
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
        if (!limits.mappings().take(domain, 1, false)) {
            return 0;
        }
        long address = table.map(domain, list, count);
        if (address == 0) {
            limits.mappings().giveBack(domain, 1);
        } else {
            mappings++;
        }
        return address;
    }

    /** How many pages it knows, for people. */
    int count() {
        return used;
    }

    /** The pages stay mapped until the grant table is closed, right after this. */
    @Override
    public void close() {
        wanted.close();
        limits.pages().giveBack(domain, allowed);
        limits.mappings().giveBack(domain, mappings);
    }
}
