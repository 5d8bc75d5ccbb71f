package org.blktap.node.vhostuser;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.blktap.api.memory.Segments;

/** The guest's memory as the client has shared it: regions that do not overlap, looked up by guest or user address. */
final class GuestMemory implements AutoCloseable {
    /** {@link Segments} counts in signed 32 bits; a longer descriptor becomes several pieces. */
    private static final long PIECE_MAX = 1L << 30;

    private MemoryRegion[] byGuest = {};
    /** The region of the last address, which is mostly that of the next one too. */
    private MemoryRegion last;

    int count() {
        return byGuest.length;
    }

    /** Bytes of all regions. */
    long bytes() {
        long bytes = 0;
        for (MemoryRegion region : byGuest) {
            bytes += region.size();
        }
        return bytes;
    }

    /** Takes over a region, and unmaps it if it refuses it. */
    void add(MemoryRegion region) throws ProtocolException {
        for (MemoryRegion other : byGuest) {
            if (region.overlaps(other)) {
                region.close();
                throw new ProtocolException("memory region at guest address 0x" + Long.toHexString(region.guest())
                        + " overlaps the one at 0x" + Long.toHexString(other.guest()));
            }
        }
        List<MemoryRegion> regions = new ArrayList<>(List.of(byGuest));
        regions.add(region);
        set(regions);
    }

    /** Unmaps the region that a message describes at {@code at}; nothing may be in flight to it. */
    void remove(long at) throws ProtocolException {
        for (MemoryRegion region : byGuest) {
            if (region.isDescribedAt(at)) {
                List<MemoryRegion> regions = new ArrayList<>(List.of(byGuest));
                regions.remove(region);
                set(regions);
                region.close();
                return;
            }
        }
        throw new ProtocolException("no such memory region to remove");
    }

    private void set(List<MemoryRegion> regions) {
        regions.sort(Comparator.comparingLong(MemoryRegion::guest));
        byGuest = regions.toArray(MemoryRegion[]::new);
        last = null;
    }

    /** Unmaps everything; nothing may be in flight. */
    @Override
    public void close() {
        for (MemoryRegion region : byGuest) {
            region.close();
        }
        set(new ArrayList<>());
    }

    /**
     * Appends a range of guest addresses to a list. The range may span regions that are adjacent in the guest.
     *
     * @param pieces most pieces that are appended
     * @return false, perhaps with a part of it appended, if the guest has no such memory or it would take more pieces
     */
    boolean append(long guest, long bytes, Segments to, int pieces) {
        for (int left = pieces; bytes > 0; left--) {
            MemoryRegion region = left > 0 ? at(guest) : null;
            if (region == null) {
                return false;
            }
            long inside = guest - region.guest();
            long part = Math.min(Math.min(bytes, PIECE_MAX), region.size() - inside);
            to.add(region.host() + inside, (int) part);
            guest += part;
            bytes -= part;
        }
        return true;
    }

    /** Address in this process of a range of guest addresses, or 0 if it is not inside one region. */
    long contiguous(long guest, long bytes) {
        MemoryRegion region = at(guest);
        if (region == null || bytes < 0 || bytes > region.size() - (guest - region.guest())) {
            return 0;
        }
        return region.host() + (guest - region.guest());
    }

    /** Address in this process of a range of the client's addresses, or 0 if it is not inside one region. */
    long userRange(long user, long bytes) {
        for (MemoryRegion region : byGuest) {
            long inside = user - region.user();
            if (user >= region.user() && inside < region.size()) {
                return bytes >= 0 && bytes <= region.size() - inside ? region.host() + inside : 0;
            }
        }
        return 0;
    }

    private MemoryRegion at(long guest) {
        MemoryRegion region = last;
        if (region != null && guest >= region.guest() && guest - region.guest() < region.size()) {
            return region;
        }
        int low = 0;
        int high = byGuest.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            region = byGuest[middle];
            if (guest < region.guest()) {
                high = middle - 1;
            } else if (guest - region.guest() >= region.size()) {
                low = middle + 1;
            } else {
                last = region;
                return region;
            }
        }
        return null;
    }
}
