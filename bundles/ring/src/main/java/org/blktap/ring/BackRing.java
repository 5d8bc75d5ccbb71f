package org.blktap.ring;

import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;

/**
 * A blkif ring in memory shared with a frontend, from the backend's side (Xen's public io/ring.h). Requests and
 * responses share the entries: a response may overwrite any request that was taken. Indexes are 32 bits and wrap. What
 * the frontend wrote is read once: its producer here, a request by {@link #take}, which copies it. One thread at a
 * time.
 */
public final class BackRing {
    private final long ring;
    private final Abi abi;
    private final int entries;
    private final int entryBytes;
    /** The next request to take. */
    private int requestConsumer;
    /** The frontend's producer as {@link #waiting} last saw and checked it. */
    private int requestProducer;
    /** The next response to write. */
    private int responseProducer;
    /** The response producer as the frontend sees it. */
    private int published;

    /**
     * Makes a ring that begins at index 0, until {@link #start} says otherwise.
     *
     * @param address of its first page; the pages follow one another
     * @param pages 1 to 16
     */
    public BackRing(long address, int pages, Abi abi) {
        this.ring = address;
        this.abi = abi;
        this.entries = abi.entries(pages);
        this.entryBytes = abi.requestBytes();
    }

    /**
     * Starts at the beginning, or where an earlier process has stopped.
     *
     * @param firstRequest the index of the next request to take
     * @param firstResponse the index of the next response to write; at most {@link #entries} behind
     */
    public void start(int firstRequest, int firstResponse) {
        if (Integer.compareUnsigned(firstRequest - firstResponse, entries) > 0) {
            throw new IllegalArgumentException(
                    "request " + firstRequest + " and response " + firstResponse + " of a ring of " + entries);
        }
        requestConsumer = firstRequest;
        requestProducer = firstRequest;
        responseProducer = firstResponse;
        published = firstResponse;
    }

    public Abi abi() {
        return abi;
    }

    /** The number of entries, a power of two. */
    public int entries() {
        return entries;
    }

    /**
     * Returns how many requests may be taken.
     *
     * @throws RingException if the frontend has produced more than the ring holds, or has taken requests back
     */
    public int waiting() throws RingException {
        int producer = Memory.getIntAcquire(ring + Abi.REQ_PROD);
        // checked against the responses that the frontend has been shown, not those written but unpublished
        int unanswered = producer - published;
        if (Integer.compareUnsigned(unanswered, entries) > 0 || unanswered < requestConsumer - published) {
            throw overflow(producer);
        }
        requestProducer = producer;
        return producer - requestConsumer;
    }

    private RingException overflow(int producer) {
        return new RingException("its request producer is " + Integer.toUnsignedString(producer) + ", expected "
                + Integer.toUnsignedString(requestConsumer) + " (taken) to "
                + Integer.toUnsignedString(published + entries) + " (answered, and " + entries + " entries)");
    }

    /**
     * Takes the next request that {@link #waiting} has counted: copies it out, once.
     *
     * @param into {@link Abi#COPY_BYTES} bytes of private memory, aligned to eight; what the ABI's request has less is
     *     zeroed
     */
    public void take(long into) {
        if (requestConsumer == requestProducer) {
            throw new IllegalStateException("no request waits");
        }
        long entry = entry(requestConsumer);
        // a request is a multiple of eight bytes, in one ABI plus four
        int bytes = Alignment.down(entryBytes, Long.BYTES);
        for (int at = 0; at < bytes; at += Long.BYTES) {
            Memory.putLong(into + at, Memory.getLong(entry + at));
        }
        if (bytes < Abi.COPY_BYTES) {
            Memory.putLong(into + bytes, Memory.getInt(entry + bytes) & 0xffffffffL);
        }
        requestConsumer++;
    }

    /** Puts the last {@code count} requests back; none of them has been answered. */
    public void untake(int count) {
        if (count < 0 || count > requestConsumer - responseProducer) {
            throw new IllegalArgumentException(
                    count + " requests back of " + (requestConsumer - responseProducer) + " not answered");
        }
        requestConsumer -= count;
    }

    /** The index of the next request to take. */
    public int requestConsumer() {
        return requestConsumer;
    }

    /**
     * Writes a response, which the frontend does not see before {@link #push}.
     *
     * @param operation the one that {@link BlkRequest#answeredOperation} returns
     */
    public void respond(long id, int operation, int status) {
        if (responseProducer == requestConsumer) {
            throw new IllegalStateException("no request is to be answered");
        }
        long entry = entry(responseProducer);
        Memory.putLong(entry + Abi.RESPONSE_ID, id);
        // operation, status and all padding, so that no memory of ours leaks there; both ABIs are little-endian
        int rest = operation & 0xff | status << Byte.SIZE * (Abi.RESPONSE_STATUS - Abi.RESPONSE_OPERATION);
        if (abi.responseBytes() == Abi.RESPONSE_OPERATION + Long.BYTES) {
            Memory.putLong(entry + Abi.RESPONSE_OPERATION, rest & 0xffffffffL);
        } else {
            Memory.putInt(entry + Abi.RESPONSE_OPERATION, rest);
        }
        responseProducer++;
    }

    /** The index of the next response to write. */
    public int responseProducer() {
        return responseProducer;
    }

    /**
     * The response producer in shared memory: how many responses the frontend has been shown, also by an earlier
     * process, unless it has changed the index.
     */
    public int sharedResponseProducer() {
        return Memory.getIntAcquire(ring + Abi.RSP_PROD);
    }

    /**
     * Shows the frontend all responses.
     *
     * @return whether the frontend wants to be notified of them
     */
    public boolean push() {
        int old = published;
        published = responseProducer;
        // the responses, and the data of reads, before the index
        Memory.putIntRelease(ring + Abi.RSP_PROD, responseProducer);
        // the index is stored before the frontend's event index is read, or both sides could miss the other's store
        Memory.fullFence();
        int event = Memory.getInt(ring + Abi.RSP_EVENT);
        // event in (old, new]
        return Integer.compareUnsigned(responseProducer - event, responseProducer - old) < 0;
    }

    /**
     * Asks the frontend for a notification at the next request.
     *
     * @return whether a request waits already, for which there may be no notification
     */
    public boolean arm() throws RingException {
        Memory.putInt(ring + Abi.REQ_EVENT, requestConsumer + 1);
        // our event index is stored before the producer is read, or both sides could miss the other's store
        Memory.fullFence();
        return waiting() > 0;
    }

    private long entry(int index) {
        return ring + Abi.SRING_BYTES + (long) (index & entries - 1) * entryBytes;
    }
}
