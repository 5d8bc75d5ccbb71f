package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import java.util.Arrays;
import org.blktap.api.memory.Memory;

/** One ring of the device, and its requests in flight. It runs when its {@link QueueSetup} is complete. Loop only. */
final class VirtioBlkQueue {
    private static final int[] NONE = {};
    /**
     * Most requests that are read before a check whether the memory is still there: each failed access costs a signal.
     */
    private static final int SETTLE_REQUESTS = 64;

    private final VirtioBlkDevice device;
    private final int index;

    private final QueueSetup setup;

    // while it runs
    private Virtqueue ring;
    private InflightQueue inflight;
    private boolean broken;
    /** Requests in flight, by the index of their first descriptor; null for others. */
    private VirtioBlkRequest[] requests = {};
    /** Requests taken in this turn and not yet submitted. */
    private VirtioBlkRequest[] prepared = {};

    private int preparedCount;
    /** Requests that have ended and are not yet shown to the driver. */
    private VirtioBlkRequest[] done;

    private int doneCount;
    private int inFlight;
    /** Heads that an earlier daemon left unanswered; they are submitted before the requests that wait in the ring. */
    private int[] left = NONE;

    private int leftNext;

    VirtioBlkQueue(VirtioBlkDevice device, int index) {
        this.device = device;
        this.index = index;
        setup = new QueueSetup(device, index);
    }

    // ---- set-up, from messages

    /** Sets the number of entries; the ring is stopped. */
    void size(int entries) throws ProtocolException {
        setup.checkSize(entries);
        stop();
        setup.size(entries);
    }

    /** Sets the entry to begin with; the ring is stopped. */
    void base(int firstAvail) {
        stop();
        setup.base(firstAvail);
    }

    /** Sets the addresses of the ring's parts, in the client's own address space. */
    void place(long descriptors, long avail, long used) throws ProtocolException {
        setup.place(descriptors, avail, used);
        if (ring != null) {
            setup.map(ring);
        }
        start();
    }

    /** Takes the descriptor for the driver's kicks; -1 asks for polling. */
    void kick(int fd) throws ProtocolException {
        setup.kick(fd);
        start();
    }

    /** Takes the descriptor that notifies the driver, or -1 for none. */
    void call(int fd) throws ProtocolException {
        setup.call(fd);
        // for requests that ended while there was no descriptor; a superfluous notification does no harm
        if (ring != null) {
            setup.call().ring();
        }
    }

    /** Takes the descriptor that reports a broken ring, or -1 for none. */
    void err(int fd) throws ProtocolException {
        setup.err(fd);
    }

    void enabled(boolean on) throws ProtocolException {
        setup.enabled(on);
        start();
    }

    /** Starts the ring if everything that it needs is known. */
    void start() throws ProtocolException {
        if (ring != null || !setup.isComplete()) {
            return;
        }
        int size = setup.size();
        Virtqueue starting = new Virtqueue(size, device.features());
        setup.map(starting);
        if (requests.length != size) {
            requests = new VirtioBlkRequest[size];
            prepared = new VirtioBlkRequest[size];
            done = new VirtioBlkRequest[size];
        }
        left = NONE;
        leftNext = 0;
        broken = false;
        ring = starting;
        device.guarded(
                () -> {
                    int first = setup.base();
                    boolean goesOn = starting.hasAnswered();
                    InflightQueue record = device.inflightQueue(index);
                    if (record != null) {
                        int[] unanswered = record.recover(size, starting.usedIndex());
                        if (unanswered != null) {
                            left = unanswered;
                            first = starting.usedIndex() + unanswered.length;
                            goesOn = true;
                        }
                    }
                    inflight = record;
                    starting.start(first);
                    if (goesOn) {
                        // a daemon that died after it had published used entries, and before it notified: the driver
                        // would wait for ever, since QEMU 7.2 sends the call descriptor only before the ring starts
                        setup.call().ring();
                    }
                    return true;
                },
                this);
    }

    /** Called when the guest's memory has been mapped anew. */
    void remap() {
        if (ring != null && !broken) {
            try {
                setup.map(ring);
            } catch (ProtocolException e) {
                breakRing(e.getMessage());
            }
        }
    }

    /** Stops the ring; none of its requests is in flight. */
    void stop() {
        if (ring != null) {
            setup.stopped(ring.lastAvail());
            ring = null;
            inflight = null;
            broken = false;
        }
    }

    /** Index of the next available entry, when the ring was stopped. */
    int base() {
        return setup.base();
    }

    /** Resets the queue to its state when the client connected, except for the descriptors that notify. */
    void reset() {
        stop();
        setup.reset();
    }

    /** Closes all descriptors; nothing is in flight. */
    void close() {
        stop();
        setup.close();
    }

    // ---- the ring

    boolean started() {
        return ring != null;
    }

    boolean running() {
        return ring != null && !broken && (setup.enabled() || device.ringsAlwaysEnabled());
    }

    boolean broken() {
        return broken;
    }

    int inFlight() {
        return inFlight;
    }

    boolean polled() {
        return running() && setup.polled();
    }

    /**
     * Takes the waiting requests and submits them: first all are read from the guest's memory; then, after a check that
     * this memory was there, all are submitted.
     *
     * @return whether there was any request
     */
    boolean take() throws BrokenRingException {
        int fromLeft = left.length - leftNext;
        int waiting = ring.waiting();
        if (fromLeft + waiting == 0) {
            return false;
        }
        ring.kicksOff();
        // more than one request for each descriptor is impossible: take() would find a head that is in flight
        int most = Math.min(fromLeft + waiting, ring.size());
        int count = 0;
        while (count < most) {
            // none is free: the rest waits in the ring until some end
            VirtioBlkRequest request = device.pool().take();
            if (request == null) {
                break;
            }
            prepared[count++] = request;
            preparedCount = count;
            if (count <= fromLeft) {
                prepare(request, left[leftNext + count - 1], false);
            } else {
                prepare(request, ring.take(), true);
            }
            if (count % SETTLE_REQUESTS == 0) {
                MemoryGuard.settle();
            }
        }
        MemoryGuard.settle();
        int taken = 0;
        while (taken < count && device.port().isOpen()) {
            inFlight++;
            prepared[taken++].submit();
        }
        int fresh = Math.max(0, count - fromLeft);
        giveBack(taken, count, fromLeft);
        preparedCount = 0;
        ring.untake(Math.min(count - taken, fresh));
        leftNext += Math.min(taken, fromLeft);
        return taken > 0;
    }

    private void prepare(VirtioBlkRequest request, int head, boolean record) throws BrokenRingException {
        if (requests[head] != null) {
            throw new BrokenRingException("descriptor chain " + head + " is in flight already");
        }
        device.chain().walk(ring, device.guest(), head);
        request.prepare(this, head, device.chain());
        requests[head] = request;
        if (record && inflight != null) {
            inflight.taken(head);
        }
    }

    /** Puts requests back that were not submitted because an earlier one closed the port; they wait in the ring. */
    private void giveBack(int from, int to, int fromLeft) {
        for (int i = from; i < to; i++) {
            requests[prepared[i].head()] = null;
            device.pool().giveBack(prepared[i]);
            if (inflight != null && i >= fromLeft) {
                inflight.done(prepared[i].head());
            }
        }
    }

    /** Drops the requests that were prepared when the ring broke. */
    private void dropPrepared() {
        for (int i = 0; i < preparedCount; i++) {
            VirtioBlkRequest request = prepared[i];
            // the last one may not have a head of this ring yet
            int head = request.head();
            if (head < requests.length && requests[head] == request) {
                requests[head] = null;
            }
            device.pool().giveBack(request);
        }
        preparedCount = 0;
    }

    /**
     * Takes back the requests that wait because the storage has failed them, so that the ring can stop or its memory
     * go. They are submitted again from the descriptors, like those that an earlier daemon left; after a stop, from the
     * record. Without a record they would be lost by a stop, and end with an error instead.
     */
    void takeBack() {
        if (inFlight == 0) {
            return;
        }
        int[] heads = new int[requests.length];
        int count = 0;
        for (int head = 0; head < requests.length; head++) {
            VirtioBlkRequest request = requests[head];
            if (request == null || !request.withdraw()) {
                continue;
            }
            if (inflight == null) {
                request.fail();
            } else {
                requests[head] = null;
                device.pool().giveBack(request);
                inFlight--;
                heads[count++] = head;
            }
        }
        if (count > 0) {
            int[] all = Arrays.copyOfRange(left, leftNext, left.length + count);
            System.arraycopy(heads, 0, all, left.length - leftNext, count);
            left = all;
            leftNext = 0;
        }
    }

    /** Called when a request has ended; it is answered at the end of the turn. */
    void finished(VirtioBlkRequest request) {
        done[doneCount++] = request;
    }

    boolean hasFinished() {
        return doneCount > 0;
    }

    /** Answers the requests that have ended, and notifies the driver once. */
    void publish() {
        int count = doneCount;
        doneCount = 0;
        inFlight -= count;
        // returned to the pool first, since the memory may be gone; none is taken from it before this method returns
        for (int i = 0; i < count; i++) {
            requests[done[i].head()] = null;
            device.pool().giveBack(done[i]);
        }
        if (broken) {
            return;
        }
        for (int i = 0; i < count; i++) {
            VirtioBlkRequest request = done[i];
            Memory.putByte(request.statusAddress(), request.status());
            ring.use(request.head(), request.written());
            if (inflight != null) {
                inflight.used(request.head());
            }
        }
        boolean wanted = ring.publish();
        if (inflight != null) {
            for (int i = 0; i < count; i++) {
                inflight.done(done[i].head());
            }
            inflight.published(ring.usedNext());
        }
        if (wanted) {
            setup.call().ring();
        }
    }

    /** Turns kicks on. Returns true if a request has come meanwhile. */
    boolean arm() throws BrokenRingException {
        ring.kicksOn();
        // requests that wait for others to end do not keep the loop awake
        return (ring.waiting() > 0 || leftNext < left.length) && !device.pool().exhausted();
    }

    /** Stops serving the ring, logs why, and notifies the client. */
    void breakRing(String why) {
        if (!broken && ring != null) {
            broken = true;
            dropPrepared();
            device.log().log(Level.WARNING, this + ": stopped, " + why);
            setup.err().ring();
        }
    }

    @Override
    public String toString() {
        return "queue " + index;
    }
}
