package org.blktap.node.vhostuser;

import org.blktap.api.memory.Memory;

/**
 * A split virtqueue in shared memory (virtio 1.2 section 2.7), from the device's side. Indexes are 16 bits and wrap.
 * Values that the driver wrote are read once and checked here; the addresses of the three parts were checked when they
 * were set.
 */
final class Virtqueue {
    // 2.7.5 The virtqueue descriptor table: le64 addr, le32 len, le16 flags, le16 next
    static final int DESCRIPTOR_BYTES = 16;
    static final int DESC_LEN = 8;
    static final int DESC_FLAGS = 12;
    static final int DESC_NEXT = 14;
    static final int DESC_F_NEXT = 1;
    static final int DESC_F_WRITE = 2;
    static final int DESC_F_INDIRECT = 4;
    // 2.7.6 The available ring: le16 flags, le16 idx, le16 ring[size], le16 used_event
    private static final int AVAIL_F_NO_INTERRUPT = 1;
    private static final int IDX = 2;
    private static final int RING = 4;
    // 2.7.8 The used ring: le16 flags, le16 idx, {le32 id, le32 len} ring[size], le16 avail_event
    private static final int USED_F_NO_NOTIFY = 1;
    private static final int USED_ELEMENT = 8;
    private static final int USED_ELEMENT_LEN = 4;

    private final int size;
    private final boolean eventIdx;
    private final boolean indirect;
    private long descriptors;
    private long avail;
    private long used;
    /** The next entry of the available ring to take. */
    private int lastAvail;
    /** The next entry of the used ring to fill. */
    private int usedNext;
    /** The used index as the driver sees it. */
    private int usedPublished;
    /**
     * Whether the driver has been notified of used entries since the ring started; before that there is no old index to
     * compare with.
     */
    private boolean notifiedOnce;
    /** Whether kicks are on. Unknown at first, since the ring's previous server may have left them off. */
    private boolean kicksOn;

    Virtqueue(int size, long features) {
        this.size = size;
        this.eventIdx = (features & VirtioBlk.F_EVENT_IDX) != 0;
        this.indirect = (features & VirtioBlk.F_INDIRECT_DESC) != 0;
    }

    static long descriptorBytes(int size) {
        return (long) DESCRIPTOR_BYTES * size;
    }

    static long availBytes(int size) {
        return RING + 2L * size + 2;
    }

    static long usedBytes(int size) {
        return RING + (long) USED_ELEMENT * size + 2;
    }

    /** Sets the addresses of the three parts in this process; called again when the memory has been mapped anew. */
    void place(long descriptorTable, long availRing, long usedRing) {
        descriptors = descriptorTable;
        avail = availRing;
        used = usedRing;
    }

    /** Begins with an entry of the available ring; the used ring continues at its index. */
    void start(int firstAvail) {
        lastAvail = firstAvail & 0xffff;
        usedNext = usedIndex();
        usedPublished = usedNext;
    }

    int size() {
        return size;
    }

    boolean indirect() {
        return indirect;
    }

    long descriptors() {
        return descriptors;
    }

    int lastAvail() {
        return lastAvail;
    }

    /** The used index in memory. */
    int usedIndex() {
        return Memory.getShort(used + IDX) & 0xffff;
    }

    /** Whether a request has been answered, also by an earlier process. */
    boolean hasAnswered() {
        // the index is 0 again after 65536 answers; each of them has written at least its status
        long last = used + RING + (long) USED_ELEMENT * (size - 1);
        return usedIndex() != 0 || Memory.getInt(last + USED_ELEMENT_LEN) != 0;
    }

    /** Returns how many requests wait in the ring. */
    int waiting() throws BrokenRingException {
        int waiting = (Memory.getShortAcquire(avail + IDX) - lastAvail) & 0xffff;
        if (waiting > size) {
            throw new BrokenRingException("its available index is " + waiting + " ahead in a ring of " + size);
        }
        return waiting;
    }

    /** Takes the next waiting request: the index of its first descriptor. */
    int take() throws BrokenRingException {
        int head = Memory.getShort(avail + RING + 2L * (lastAvail & size - 1)) & 0xffff;
        if (head >= size) {
            throw new BrokenRingException("available entry " + lastAvail + " is descriptor " + head + " of " + size);
        }
        lastAvail = lastAvail + 1 & 0xffff;
        return head;
    }

    /** Puts the last {@code count} requests back. */
    void untake(int count) {
        lastAvail = lastAvail - count & 0xffff;
    }

    /** Fills the next used entry, which the driver does not see before {@link #publish}. */
    void use(int head, int written) {
        long entry = used + RING + (long) USED_ELEMENT * (usedNext & size - 1);
        Memory.putInt(entry, head);
        Memory.putInt(entry + USED_ELEMENT_LEN, written);
        usedNext = usedNext + 1 & 0xffff;
    }

    /** The used index that {@link #publish} will show. */
    int usedNext() {
        return usedNext;
    }

    /**
     * Shows the driver all used entries.
     *
     * @return whether the driver wants to be notified of them (2.7.7.2)
     */
    boolean publish() {
        int old = usedPublished;
        usedPublished = usedNext;
        // the entries, the status bytes and the data before the index
        Memory.putShortRelease(used + IDX, (short) usedNext);
        // the index is stored before the driver's event index is read, or both sides could miss the other's store
        Memory.fullFence();
        if (!eventIdx) {
            return (Memory.getShort(avail) & AVAIL_F_NO_INTERRUPT) == 0;
        }
        boolean first = !notifiedOnce;
        notifiedOnce = true;
        int event = Memory.getShort(avail + RING + 2L * size) & 0xffff;
        return first || (usedNext - event - 1 & 0xffff) < (usedNext - old & 0xffff);
    }

    /** Asks the driver for a kick at the next request; call {@link #waiting} afterwards. */
    void kicksOn() {
        if (eventIdx) {
            Memory.putShort(used + RING + (long) USED_ELEMENT * size, (short) lastAvail);
        } else if (!kicksOn) {
            Memory.putShort(used, (short) 0);
        }
        kicksOn = true;
        Memory.fullFence();
    }

    /**
     * Asks the driver for no kicks while this side polls the ring. With EVENT_IDX an index that lags behind does that.
     */
    void kicksOff() {
        if (kicksOn) {
            kicksOn = false;
            if (!eventIdx) {
                Memory.putShort(used, (short) USED_F_NO_NOTIFY);
            }
        }
    }
}
