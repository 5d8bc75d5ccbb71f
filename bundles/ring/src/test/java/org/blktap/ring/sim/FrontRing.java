package org.blktap.ring.sim;

import org.blktap.api.memory.Memory;
import org.blktap.ring.Abi;

/**
 * The frontend half of a blkif ring, as Xen's headers io/ring.h and io/blkif.h lay it out, with numbers of its own so
 * that it checks the backend's. One thread at a time. It writes any value, valid or not.
 *
 * <p>A request is written by {@link #request} and {@link #segment}, {@link #discard} or {@link #indirect}, and shown by
 * {@link #push} with all others before it. A response is taken by {@link #next} and read by {@link #id},
 * {@link #operation} and {@link #status}. It allocates nothing on the way.
 */
public final class FrontRing {
    private final long address;
    private final boolean wide;
    private final int entryBytes;
    private final int entries;
    private int requestProducer;
    private int pushed;
    private int responseConsumer;
    private int segments;
    private long entry;
    private long response;

    /**
     * @param address of the first page; all of them follow one another
     * @param pages 1 to 16
     */
    public FrontRing(long address, int pages, Abi abi) {
        this.address = address;
        this.wide = abi == Abi.X86_64;
        this.entryBytes = wide ? 112 : 108;
        this.entries = Integer.highestOneBit((pages * 4096 - 64) / entryBytes);
    }

    /** Sets up the shared header of a new ring. */
    public void initialize() {
        initialize(0);
    }

    /** Sets it up as after so many requests and responses, so that the indexes may be about to wrap. */
    public void initialize(int index) {
        for (int at = 0; at < 64; at += 8) {
            Memory.putLong(address + at, 0);
        }
        Memory.putInt(address, index);
        Memory.putInt(address + 4, index + 1);
        Memory.putInt(address + 8, index);
        Memory.putInt(address + 12, index + 1);
        Memory.fullFence();
        requestProducer = index;
        pushed = index;
        responseConsumer = index;
    }

    public int entries() {
        return entries;
    }

    /** How many requests may be written before more responses are taken. */
    public int free() {
        return entries - (requestProducer - responseConsumer);
    }

    /** How many requests are not answered, or their responses not taken. */
    public int outstanding() {
        return requestProducer - responseConsumer;
    }

    /** The address of the entry of a ring index. */
    public long entry(int index) {
        return address + 64 + (long) (index & entries - 1) * entryBytes;
    }

    /**
     * Begins a request without segments; what it does not set is left as it was in the ring, as real frontends leave
     * it.
     */
    public void request(int operation, long id, long sector) {
        entry = entry(requestProducer++);
        segments = 0;
        Memory.putByte(entry, (byte) operation);
        Memory.putByte(entry + 1, (byte) 0);
        Memory.putShort(entry + 2, (short) 0);
        Memory.putLong(entry + (wide ? 8 : 4), id);
        Memory.putLong(entry + (wide ? 16 : 12), sector);
    }

    /** Adds a segment to the request that was begun last; there is room for eleven. */
    public void segment(int gref, int first, int last) {
        // not counted in the ring, where a test may have it change
        segment(entry + (wide ? 24 : 20) + 8L * segments, gref, first, last);
        segments++;
        Memory.putByte(entry + 1, (byte) segments);
    }

    /** Writes a segment anywhere, as into a page of an indirect request. */
    public static void segment(long at, int gref, int first, int last) {
        Memory.putInt(at, gref);
        Memory.putByte(at + 4, (byte) first);
        Memory.putByte(at + 5, (byte) last);
        Memory.putShort(at + 6, (short) 0);
    }

    /** Sets the number of segments of the request that was begun last, whatever there are. */
    public void segmentCount(int count) {
        Memory.putByte(entry + 1, (byte) count);
    }

    public void discard(long id, long sector, long sectors, int flags) {
        request(5, id, sector);
        Memory.putByte(entry + 1, (byte) flags);
        Memory.putLong(entry + (wide ? 24 : 20), sectors);
    }

    /** Writes an indirect request, whose pages of segments are those of {@code grefs}, up to eight. */
    public void indirect(int operation, long id, long sector, int segments, int... grefs) {
        request(6, id, sector);
        Memory.putByte(entry + 1, (byte) operation);
        Memory.putShort(entry + 2, (short) segments);
        // the handle
        Memory.putShort(entry + (wide ? 24 : 20), (short) 0);
        for (int i = 0; i < grefs.length; i++) {
            Memory.putInt(entry + (wide ? 28 : 24) + 4L * i, grefs[i]);
        }
    }

    /**
     * Shows the backend all requests.
     *
     * @return whether it wants to be notified of them
     */
    public boolean push() {
        int old = pushed;
        pushed = requestProducer;
        Memory.putIntRelease(address, requestProducer);
        Memory.fullFence();
        int event = Memory.getInt(address + 4);
        return Integer.compareUnsigned(requestProducer - event, requestProducer - old) < 0;
    }

    /** Sets the shared request producer to anything. */
    public void scribbleProducer(int producer) {
        Memory.putIntRelease(address, producer);
    }

    /** Sets the shared response producer, which only the backend should, to anything. */
    public void scribbleResponseProducer(int producer) {
        Memory.putIntRelease(address + 8, producer);
    }

    /** The response producer as the backend has set it. */
    public int responseProducer() {
        return Memory.getIntAcquire(address + 8);
    }

    /** The index of the next response to take. */
    public int responseConsumer() {
        return responseConsumer;
    }

    /** Takes the next response, if there is one. */
    public boolean next() {
        int ready = responseProducer() - responseConsumer;
        if (ready == 0) {
            return false;
        }
        if (ready < 0 || ready > requestProducer - responseConsumer) {
            throw new AssertionError(ready + " responses to " + (requestProducer - responseConsumer) + " requests");
        }
        response = entry(responseConsumer++);
        return true;
    }

    public long id() {
        return Memory.getLong(response);
    }

    public int operation() {
        return Memory.getByte(response + 8) & 0xff;
    }

    public int status() {
        return Memory.getShort(response + 10);
    }

    /** The bytes of the response that mean nothing, together. */
    public int padding() {
        return Memory.getByte(response + 9) | (wide ? Memory.getInt(response + 12) : 0);
    }

    /**
     * Asks the backend for a notification at the next response.
     *
     * @return whether one is there already
     */
    public boolean arm() {
        Memory.putInt(address + 12, responseConsumer + 1);
        Memory.fullFence();
        return responseProducer() != responseConsumer;
    }
}
