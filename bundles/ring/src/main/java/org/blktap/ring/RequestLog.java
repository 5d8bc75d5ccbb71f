package org.blktap.ring;

import java.lang.invoke.VarHandle;
import java.util.stream.IntStream;
import org.blktap.api.memory.Memory;

/**
 * The record of requests that were taken from a ring and not yet answered, in memory that outlives the process (a shared mapping of a file), so that a
 * daemon killed at any instruction and started again loses no request and answers none twice. Plain memory serves as well where nothing is
 * to be survived. The copy that each slot keeps is the private copy that is decoded and, later, submitted again: in the ring a response may
 * have overwritten the request by then.
 *
 * <p>The order of calls, on the one thread of the ring:
 * <ol>
 * <li>{@link #take} for as many as wait, then {@link #consumed}, and only then are they submitted;
 * <li>if the disk cannot take the last ones now, {@link BackRing#untake}, {@link #consumed}, and {@link #giveBack} for each;
 * <li>for each answer {@link BackRing#respond}, then {@link #answered}; for all of them {@link BackRing#push}, then {@link #published} before
 * more is taken.
 * </ol>
 *
 * <p>What is promised holds when the process dies, not when the machine does: with it the frontend's memory is gone too.
 */
public final class RequestLog {
    private final LogMemory memory;
    private final int entries;
    private final Abi abi;
    /** Private memory: the requests of all slots. */
    private final long copies;
    /** The ring index of each slot's request. */
    private final int[] indexes;
    /** The slot of each entry's response. */
    private final int[] owners;
    private final int[] free;
    private int freeCount;
    /** The values stored last. */
    private int consumer;
    private int responseProducer;

    /** How many bytes a log takes for a ring of so many entries. */
    public static long bytes(int entries) {
        return LogMemory.bytes(entries);
    }

    /** How many bytes of private memory go with it. */
    public static long copyBytes(int entries) {
        return (long) entries * Abi.COPY_BYTES;
    }

    /**
     * A log for one ring, to be {@link #open opened} before anything else.
     *
     * @param address of {@link #bytes} bytes, aligned to eight: zeros if new, else what an earlier process left
     * @param entries those of the ring
     * @param copies the address of {@link #copyBytes} bytes that nobody else can reach, aligned to eight
     */
    public RequestLog(long address, int entries, Abi abi, long copies) {
        this(new LogMemory(address, entries), entries, abi, copies);
    }

    RequestLog(LogMemory memory, int entries, Abi abi, long copies) {
        this.memory = memory;
        this.entries = entries;
        this.abi = abi;
        this.copies = copies;
        this.indexes = new int[entries];
        this.owners = new int[entries];
        this.free = new int[entries];
    }

    /**
     * Begins to record for a ring, and starts the ring: where an earlier process stopped, if the log is of this connection, else where
     * its responses end in shared memory, which is at the beginning for a ring that nobody has served.
     *
     * @param identity distinguishes this connection of this frontend from all others, of another ring or another time
     * @return the slots of requests to submit again, oldest first
     * @throws RingException if the log, or the index that the frontend could write, is damaged: the message says where. The ring has
     *     not been started, since answers may get lost or be given twice. The log is forgotten: opened once more it is as new.
     */
    public int[] open(long identity, BackRing ring) throws RingException {
        if (ring.entries() != entries || ring.abi() != abi) {
            throw new IllegalArgumentException("a log of " + entries + " entries " + abi + " for a ring of " + ring.entries() + " " + ring.abi());
        }
        if (!ofThis(identity)) {
            begin(identity, ring);
            return new int[0];
        }
        try {
            return recover(ring);
        } catch (RingException e) {
            memory.magic(0);
            throw e;
        }
    }

    private boolean ofThis(long identity) throws RingException {
        long magic = memory.magic();
        if (magic == 0) {
            return false;
        }
        if (magic != LogMemory.MAGIC || memory.version() != LogMemory.VERSION) {
            String found = "0x" + Long.toHexString(magic) + " version " + memory.version();
            memory.magic(0);
            throw new RingException("its request log is " + found + ", expected 0x" + Long.toHexString(LogMemory.MAGIC) + " version "
                    + LogMemory.VERSION);
        }
        return memory.identity() == identity && memory.entries() == entries && memory.requestBytes() == abi.requestBytes();
    }

    private void begin(long identity, BackRing ring) {
        memory.magic(0);
        int first = ring.sharedResponseProducer();
        memory.describe(entries, abi.requestBytes(), identity);
        for (int slot = 0; slot < entries; slot++) {
            memory.state(slot, LogMemory.FREE);
        }
        memory.consumer(first);
        memory.responseProducer(first);
        memory.magic(LogMemory.MAGIC);
        load(first, first, new int[0]);
        ring.start(first, first);
    }

    /** Every store here leaves a log from which the same is recovered again. */
    private int[] recover(BackRing ring) throws RingException {
        int shared = ring.sharedResponseProducer();
        forgetPublished(shared);
        int next = memory.consumer();
        for (int slot = 0; slot < entries; slot++) {
            int state = memory.state(slot);
            if (state == LogMemory.TAKEN && Integer.compareUnsigned(memory.index(slot) - next, entries) < 0) {
                // the consumer was not stored: it is still in the ring, and was not submitted
                memory.state(slot, LogMemory.FREE);
            } else if (state != LogMemory.TAKEN && state != LogMemory.FREE) {
                throw new RingException("slot " + slot + " of its request log has state " + state + ", expected 0 or 1");
            }
        }
        int[] left = oldestFirst(next);
        if (left.length != next - shared) {
            throw new RingException("its request log has " + left.length + " requests in flight up to " + Integer.toUnsignedString(next)
                    + ", expected " + (next - shared) + ": its response producer is " + Integer.toUnsignedString(shared));
        }
        for (int slot : left) {
            copy(memory.request(slot), request(slot));
        }
        load(next, shared, left);
        ring.start(next, shared);
        return left;
    }

    /** The slots in use. How far before the consumer a request was taken has no bound, since others may pass it. */
    private int[] oldestFirst(int next) throws RingException {
        int[] slots = IntStream.range(0, entries)
                .filter(slot -> memory.state(slot) == LogMemory.TAKEN)
                .boxed()
                .sorted((a, b) -> Integer.compareUnsigned(next - memory.index(b), next - memory.index(a)))
                .mapToInt(Integer::intValue)
                .toArray();
        for (int i = 1; i < slots.length; i++) {
            if (memory.index(slots[i]) == memory.index(slots[i - 1])) {
                throw new RingException("slots " + slots[i - 1] + " and " + slots[i] + " of its request log have the same index "
                        + Integer.toUnsignedString(memory.index(slots[i])));
            }
        }
        return slots;
    }

    /** What was shown to the frontend, but not all of it struck off here. */
    private void forgetPublished(int shared) throws RingException {
        int logged = memory.responseProducer();
        int more = shared - logged;
        if (Integer.compareUnsigned(more, entries) > 0) {
            throw new RingException("its response producer is " + Integer.toUnsignedString(shared) + ", expected "
                    + Integer.toUnsignedString(logged) + ", as its request log says, to " + entries + " more");
        }
        for (int i = logged; i != shared; i++) {
            int slot = memory.owner(i & entries - 1);
            if (slot < 0 || slot >= entries) {
                throw new RingException("response " + Integer.toUnsignedString(i) + " is of slot " + slot + " of its request log, expected 0 to "
                        + (entries - 1));
            }
            memory.state(slot, LogMemory.FREE);
        }
        memory.responseProducer(shared);
    }

    /** Takes over what was read and checked; {@code used} are the slots in use. */
    private void load(int next, int shown, int[] used) {
        consumer = next;
        responseProducer = shown;
        boolean[] inUse = new boolean[entries];
        for (int slot : used) {
            inUse[slot] = true;
            indexes[slot] = memory.index(slot);
        }
        freeCount = 0;
        for (int slot = entries - 1; slot >= 0; slot--) {
            if (!inUse[slot]) {
                free[freeCount++] = slot;
            }
        }
    }

    private static void copy(long from, long to) {
        for (int at = 0; at < Abi.COPY_BYTES; at += Long.BYTES) {
            Memory.putLong(to + at, Memory.getLong(from + at));
        }
    }

    /**
     * Takes the next request of the ring, which {@link BackRing#waiting} has announced. It may be submitted after {@link #consumed}.
     *
     * @return its slot; there is always a free one
     */
    public int take(BackRing ring) {
        int slot = free[freeCount - 1];
        int index = ring.requestConsumer();
        ring.take(request(slot));
        copy(request(slot), memory.request(slot));
        indexes[slot] = index;
        memory.index(slot, index);
        memory.state(slot, LogMemory.TAKEN);
        freeCount--;
        return slot;
    }

    /** Records how far the ring was taken or returned. */
    public void consumed(BackRing ring) {
        consumer = ring.requestConsumer();
        memory.consumer(consumer);
        // not before the disk may change what a request names
        VarHandle.releaseFence();
    }

    /** Frees the slot of a request that stays in the ring after all; {@link BackRing#untake} and {@link #consumed} come first. */
    public void giveBack(int slot) {
        if (consumer - indexes[slot] > 0) {
            throw new IllegalStateException("request " + Integer.toUnsignedString(indexes[slot]) + " is given back, but consumed up to "
                    + Integer.toUnsignedString(consumer));
        }
        free(slot);
    }

    /** The address of the private copy of a slot's request, {@link Abi#COPY_BYTES} bytes. */
    public long request(int slot) {
        return copies + (long) slot * Abi.COPY_BYTES;
    }

    /** Records whose response was the last that {@link BackRing#respond} wrote; the slot is in use until {@link #published}. */
    public void answered(int slot, BackRing ring) {
        int entry = ring.responseProducer() - 1 & entries - 1;
        owners[entry] = slot;
        memory.owner(entry, slot);
    }

    /** Frees the slots of all that {@link BackRing#push} has shown. */
    public void published(BackRing ring) {
        int shown = ring.responseProducer();
        for (int i = responseProducer; i != shown; i++) {
            free(owners[i & entries - 1]);
        }
        responseProducer = shown;
        memory.responseProducer(shown);
    }

    private void free(int slot) {
        memory.state(slot, LogMemory.FREE);
        free[freeCount++] = slot;
    }
}
