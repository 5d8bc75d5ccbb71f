package org.blktap.image;

import java.util.ArrayList;

/**
 * The allocations in flight, by the bytes of the disk whose writes must wait for them. A list will do: there are at
 * most as many as requests in flight, and only writes that allocate look here. Loop only.
 */
final class BusyRanges {
    private final ArrayList<Allocation> allocations = new ArrayList<>();

    void add(Allocation allocation) {
        allocations.add(allocation);
    }

    void remove(Allocation allocation) {
        int last = allocations.size() - 1;
        for (int i = last; i >= 0; i--) {
            if (allocations.get(i) == allocation) {
                allocations.set(i, allocations.get(last));
                allocations.remove(last);
                return;
            }
        }
    }

    /** An allocation that covers a byte of the range, or null. */
    Allocation find(long start, long end) {
        for (int i = 0; i < allocations.size(); i++) {
            Allocation allocation = allocations.get(i);
            if (allocation.overlaps(start, end)) {
                return allocation;
            }
        }
        return null;
    }

    /** The first byte of the range that an allocation covers, or the end of the range. */
    long firstBusy(long start, long end) {
        long first = end;
        for (int i = 0; i < allocations.size(); i++) {
            Allocation allocation = allocations.get(i);
            if (allocation.overlaps(start, first)) {
                first = Math.max(start, allocation.busyStart());
            }
        }
        return first;
    }
}
