package org.blktap.node.vhostuser;

import java.util.stream.IntStream;
import org.blktap.api.memory.Memory;

/**
 * One split queue's part of the in-flight region: {@code QueueRegionSplit} and {@code DescStateSplit} of "Inflight I/O
 * tracking". Its stores are ordered so that a daemon killed between any two of them loses no request and answers none
 * twice.
 */
final class InflightQueue {
    // u64 features, u16 version, u16 desc_num, u16 last_batch_head, u16 used_idx, then the descriptors
    private static final int VERSION = 8;
    private static final int DESC_NUM = 10;
    private static final int LAST_BATCH_HEAD = 12;
    private static final int USED_IDX = 14;
    private static final int DESCRIPTORS = 16;
    // u8 inflight, u8[5], u16 next, u64 counter
    private static final int STATE_BYTES = 16;
    private static final int NEXT = 6;
    private static final int COUNTER = 8;
    private static final int VERSION_SPLIT = 1;

    private final long address;
    private final int size;
    private long counter;

    InflightQueue(long address, int size) {
        this.address = address;
        this.size = size;
    }

    static long bytes(int size) {
        return DESCRIPTORS + (long) STATE_BYTES * size;
    }

    private long state(int head) {
        return address + DESCRIPTORS + (long) STATE_BYTES * head;
    }

    /**
     * Begins to record for a ring. A region in use records what an earlier daemon left unanswered.
     *
     * @param ringSize the size of the ring, at most that of this part
     * @param usedIndex the ring's used index in memory
     * @return the heads to submit again, in the order in which they were taken; null for a region not used before
     */
    int[] recover(int ringSize, int usedIndex) throws BrokenRingException {
        if (ringSize > size) {
            throw new BrokenRingException(
                    "its " + ringSize + " entries are more than the " + size + " of its in-flight region");
        }
        int version = Memory.getShort(address + VERSION) & 0xffff;
        if (version == 0) {
            Memory.putShort(address + DESC_NUM, (short) size);
            Memory.putShort(address + USED_IDX, (short) usedIndex);
            Memory.putShortRelease(address + VERSION, (short) VERSION_SPLIT);
            return null;
        }
        int entries = Memory.getShort(address + DESC_NUM) & 0xffff;
        if (version != VERSION_SPLIT || entries != size) {
            throw new BrokenRingException("its in-flight region has version " + version + " and " + entries
                    + " entries, expected version 1 and " + size);
        }
        forgetPublished(usedIndex);
        long[] order = new long[ringSize];
        for (int head = 0; head < ringSize; head++) {
            order[head] = Memory.getLong(state(head) + COUNTER);
        }
        int[] heads = IntStream.range(0, ringSize)
                .filter(head -> Memory.getByte(state(head)) == 1)
                .boxed()
                .sorted((a, b) -> Long.compareUnsigned(order[a], order[b]))
                .mapToInt(Integer::intValue)
                .toArray();
        if (heads.length > 0) {
            counter = order[heads[heads.length - 1]] + 1;
        }
        return heads;
    }

    /** Clears the marks of the last batch, if it was shown to the driver but not all its marks were cleared. */
    private void forgetPublished(int usedIndex) {
        int published = usedIndex - Memory.getShort(address + USED_IDX) & 0xffff;
        int head = Memory.getShort(address + LAST_BATCH_HEAD) & 0xffff;
        for (int i = 0; i < published && i < size && head < size; i++) {
            Memory.putByte(state(head), (byte) 0);
            head = Memory.getShort(state(head) + NEXT) & 0xffff;
        }
        Memory.putShortRelease(address + USED_IDX, (short) usedIndex);
    }

    /** Records a request that was taken from the ring. */
    void taken(int head) {
        Memory.putLong(state(head) + COUNTER, counter++);
        Memory.putIntRelease(state(head), 1);
    }

    /** Records that a request's used entry is written, but not published yet. */
    void used(int head) {
        Memory.putShort(state(head) + NEXT, Memory.getShort(address + LAST_BATCH_HEAD));
        Memory.putShortRelease(address + LAST_BATCH_HEAD, (short) head);
    }

    /**
     * Clears a request whose used entry has been published. To be called for each of a batch, then {@link #published}.
     */
    void done(int head) {
        Memory.putIntRelease(state(head), 0);
    }

    void published(int usedIndex) {
        Memory.putShortRelease(address + USED_IDX, (short) usedIndex);
    }
}
