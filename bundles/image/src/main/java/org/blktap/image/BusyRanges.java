package org.blktap.image;

import java.util.ArrayList;

/**
 * The allocations in flight, by the bytes of the disk whose writes must wait for them. There are at most as many as
 * requests in flight, and only writes that allocate look here. Loop only.
 */
final class BusyRanges {
    private final ArrayList<AllocatingWrite> writes = new ArrayList<>();

    void add(AllocatingWrite write) {
        writes.add(write);
    }

    void remove(AllocatingWrite write) {
        int last = writes.size() - 1;
        for (int i = last; i >= 0; i--) {
            if (writes.get(i) == write) {
                writes.set(i, writes.get(last));
                writes.remove(last);
                return;
            }
        }
    }

    /** An allocation that covers a byte of the range, or null. */
    AllocatingWrite find(long start, long end) {
        for (int i = 0; i < writes.size(); i++) {
            AllocatingWrite write = writes.get(i);
            if (write.allocation.overlaps(start, end)) {
                return write;
            }
        }
        return null;
    }

    /** The first byte of the range that an allocation covers, or the end of the range. */
    long firstBusy(long start, long end) {
        long first = end;
        for (int i = 0; i < writes.size(); i++) {
            AllocatingWrite write = writes.get(i);
            if (write.allocation.overlaps(start, first)) {
                first = Math.max(start, write.allocation.busyStart());
            }
        }
        return first;
    }
}
