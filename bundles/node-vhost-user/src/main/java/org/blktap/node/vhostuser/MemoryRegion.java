package org.blktap.node.vhostuser;

import org.blktap.api.memory.Memory;

/**
 * A run of the guest's memory, mapped here.
 *
 * @param guest its guest-physical address, as descriptors name it
 * @param user its address in the client's process, as ring addresses name it
 * @param size bytes
 * @param part its mapping in this process
 */
record MemoryRegion(long guest, long user, long size, SharedFile.Part part) implements AutoCloseable {
    /**
     * Maps the region that a message describes at {@code at} ({@link Protocol#REGION_BYTES}); the descriptor may be
     * closed afterwards.
     */
    static MemoryRegion map(long at, int fd, VhostUserLimits.MemoryShare share) throws ProtocolException {
        long guest = Memory.getLong(at);
        long size = Memory.getLong(at + Protocol.REGION_SIZE);
        long user = Memory.getLong(at + Protocol.REGION_USER);
        long offset = Memory.getLong(at + Protocol.REGION_OFFSET);
        String what = "memory region at guest address 0x" + Long.toHexString(guest);
        // no process or guest has addresses with the top bit set; without them, sums stay positive
        if (size <= 0 || guest < 0 || user < 0 || guest > Long.MAX_VALUE - size || user > Long.MAX_VALUE - size) {
            throw new ProtocolException(what + ": its size of 0x" + Long.toHexString(size) + " wraps around");
        }
        return new MemoryRegion(guest, user, size, SharedFile.map(fd, offset, size, what, share));
    }

    /** The region's address in this process. */
    long host() {
        return part.address();
    }

    boolean overlaps(MemoryRegion other) {
        return guest < other.guest + other.size && other.guest < guest + size
                || user < other.user + other.size && other.user < user + size;
    }

    @Override
    public void close() {
        part.close();
    }

    /** Whether the description in a message at {@code at} means this region. */
    boolean isDescribedAt(long at) {
        return guest == Memory.getLong(at)
                && size == Memory.getLong(at + Protocol.REGION_SIZE)
                && user == Memory.getLong(at + Protocol.REGION_USER);
    }
}
