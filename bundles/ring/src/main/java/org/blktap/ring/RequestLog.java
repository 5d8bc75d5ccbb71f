package org.blktap.ring;

import java.lang.invoke.VarHandle;
import java.util.stream.IntStream;
import org.blktap.api.memory.Memory;

/**
 * Records the requests that were taken from a ring and not yet answered, in memory that outlives the process (a shared
 * mapping of a file): a daemon that is killed at any instruction and started again loses no request and answers none
 * twice. Where nothing must be survived, plain memory will do. Each slot keeps the private copy of a request, which is
 * decoded and, after a restart, submitted again: in the ring a response may have overwritten the request by then.
 *
 * <p>The order of calls, on the one thread of the ring:
 *
 * <ol>
 *   <li>{@link #take} for each request that waits, then {@link #consumed}, and only then are they submitted;
 *   <li>if the disk cannot take the last requests now, {@link BackRing#untake}, {@link #consumed}, and
 *       {@link #giveBack} for each;
 *   <li>for each answer {@link BackRing#respond}, then {@link #answered}; for all of them {@link BackRing#push}, then
 *       {@link #published} before more is taken.
 * </ol>
 *
 * <p>This holds for the death of the process, not of the machine, which takes the frontend's memory with it.
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

    /** Returns the bytes of a log for a ring with {@code entries}. */
    public static long bytes(int entries) {
        return LogMemory.bytes(entries);
    }

    /** Returns the bytes of private memory that such a log needs. */
    public static long copyBytes(int entries) {
        return (long) entries * Abi.COPY_BYTES;
    }

    /**
     * Makes a log for one ring. {@link #open} must be called first.
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
     * Begins to record for a ring, and starts the ring: where an earlier process stopped, if the log belongs to this
     * connection; else where the responses in shared memory end, which for an unused ring is the beginning.
     *
     * @param identity distinguishes this connection of this frontend from all others, of another ring or another time
     * @return the slots of requests to submit again, oldest first
     * @throws RingException if the log, or the index that the frontend could write, is damaged: the message says where.
     *     The ring has not been started, since answers may get lost or be given twice. The log is forgotten: opened
     *     once more it is as new.
     */
    public int[] open(long identity, BackRing ring) throws RingException {
        if (ring.entries() != entries || ring.abi() != abi) {
            throw new IllegalArgumentException(
                    "a log of " + entries + " entries " + abi + " for a ring of " + ring.entries() + " " + ring.abi());
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
            throw new RingException("its request log is " + found + ", expected 0x" + Long.toHexString(LogMemory.MAGIC)
                    + " version " + LogMemory.VERSION);
        }
        return memory.identity() == identity
                && memory.entries() == entries
                && memory.requestBytes() == abi.requestBytes();
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

    /** Recovers the ring. After each store here, another recovery would have the same result. */
    private int[] recover(BackRing ring) throws RingException {
        int shared = ring.sharedResponseProducer();
        forgetPublished(shared);
        int next = memory.consumer();
        for (int slot = 0; slot < entries; slot++) {
            int state = memory.state(slot);
            if (state == LogMemory.TAKEN && Integer.compareUnsigned(memory.index(slot) - next, entries) < 0) {
                // the consumer was not stored after it was taken: the request is still in the ring, and was not
                // submitted
                memory.state(slot, LogMemory.FREE);
            } else if (state != LogMemory.TAKEN && state != LogMemory.FREE) {
                throw new RingException(
                        "slot " + slot + " of its request log has state " + state + ", expected 0 or 1");
            }
        }
        int[] left = oldestFirst(next);
        if (left.length != next - shared) {
            throw new RingException("its request log has " + left.length + " requests in flight up to "
                    + Integer.toUnsignedString(next) + ", expected " + (next - shared) + ": its response producer is "
                    + Integer.toUnsignedString(shared));
        }
        for (int slot : left) {
            copy(memory.request(slot), request(slot));
        }
        load(next, shared, left);
        ring.start(next, shared);
        return left;
    }

    /**
     * Returns the slots in use, oldest first. A request may have been taken any number of entries before the consumer,
     * since later ones may be answered first.
     */
    private int[] oldestFirst(int next) throws RingException {
        int[] slots = IntStream.range(0, entries)
                .filter(slot -> memory.state(slot) == LogMemory.TAKEN)
                .boxed()
                .sorted((a, b) -> Integer.compareUnsigned(next - memory.index(b), next - memory.index(a)))
                .mapToInt(Integer::intValue)
                .toArray();
        for (int i = 1; i < slots.length; i++) {
            if (memory.index(slots[i]) == memory.index(slots[i - 1])) {
                throw new RingException(
                        "slots " + slots[i - 1] + " and " + slots[i] + " of its request log have the same index "
                                + Integer.toUnsignedString(memory.index(slots[i])));
            }
        }
        return slots;
    }

    /**
     * Frees the slots of responses that the frontend has been shown, as the earlier process did not for all of them.
     */
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
                throw new RingException("response " + Integer.toUnsignedString(i) + " is of slot " + slot
                        + " of its request log, expected 0 to " + (entries - 1));
            }
            memory.state(slot, LogMemory.FREE);
        }
        memory.responseProducer(shared);
    }

    /** Sets the state from the checked log; {@code used} are the slots in use. */
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
     * Takes the next request of the ring that {@link BackRing#waiting} has counted. It may be submitted after
     * {@link #consumed}.
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
        // stored before the disk may change what a request names
        VarHandle.releaseFence();
    }

    /** Frees the slot of a request that was put back; call {@link BackRing#untake} and {@link #consumed} first. */
    public void giveBack(int slot) {
        if (consumer - indexes[slot] > 0) {
            throw new IllegalStateException("request " + Integer.toUnsignedString(indexes[slot])
                    + " is given back, but consumed up to " + Integer.toUnsignedString(consumer));
        }
        free(slot);
    }

    /** The address of the private copy of a slot's request, {@link Abi#COPY_BYTES} bytes. */
    public long request(int slot) {
        return copies + (long) slot * Abi.COPY_BYTES;
    }

    /**
     * Records that the last response of {@link BackRing#respond} answers this slot's request; the slot is in use until
     * {@link #published}.
     */
    public void answered(int slot, BackRing ring) {
        int entry = ring.responseProducer() - 1 & entries - 1;
        owners[entry] = slot;
        memory.owner(entry, slot);
    }

    /** Frees the slots of all responses that {@link BackRing#push} has shown. */
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
