package org.blktap.node.xen;

import java.lang.System.Logger.Level;
import org.blktap.api.node.DiskPort;
import org.blktap.ring.Abi;
import org.blktap.ring.BackRing;
import org.blktap.ring.Blkif;
import org.blktap.ring.RequestLog;
import org.blktap.ring.RingException;

/**
 * One ring of a device: takes its requests, counts those in flight, and answers them. All requests that wait in the
 * ring are taken in one pass, so that one call maps or copies the grants of all. Loop only.
 */
final class BlkifQueue {
    private static final int[] NONE = {};

    private final BlkifDevice device;
    private final int index;
    private final BackRing ring;
    private final RequestLog log;
    private final int port;
    private final QueueData data;
    private final QueueRequest[] requests;
    /** Taken in this turn, not yet submitted. */
    private final QueueRequest[] batch;

    private int batchSize;
    /** Ended, not yet shown to the frontend. */
    private final QueueRequest[] done;

    private int doneCount;
    /** Requests caught between steps by a disk that closed. */
    private final QueueRequest[] held;

    private int heldCount;
    private int inFlight;
    /** Slots that an earlier process left unanswered, to be submitted before what waits in the ring. */
    private int[] left = NONE;

    private int leftNext;
    /** Entries of the batch that come from an earlier process. */
    private int leftInBatch;
    /** A barrier is next, and waits for all before it to end. */
    private boolean barrierWaits;
    /** A barrier is under way, and nothing is taken until it has ended. */
    private QueueRequest barrier;
    /**
     * A request is next for which there was no room or buffer when {@link RequestRoom} had this count of releases; else
     * -1.
     */
    private long roomWaits = -1;

    private String halted;

    /** @param port our end of its event channel */
    BlkifQueue(BlkifDevice device, int index, BlkifConnection.Ring part) {
        this.device = device;
        this.index = index;
        ring = part.ring();
        log = part.log();
        port = part.port();
        data = new QueueData(
                device.memory(), ring.entries(), device.copies(), device.buffers(), device.room(), device.grants());
        requests = new QueueRequest[ring.entries()];
        batch = new QueueRequest[ring.entries()];
        done = new QueueRequest[ring.entries()];
        held = new QueueRequest[ring.entries()];
    }

    /** Begins, where an earlier process stopped if the log is of this connection. */
    void start(long identity) {
        try {
            left = log.open(identity, ring);
        } catch (RingException e) {
            halt(e.getMessage());
        }
        if (left.length > 0) {
            device.log().log(
                    Level.INFO,
                    this + ": " + left.length
                            + " requests that an earlier process left unanswered are submitted again");
        }
        if (halted == null) {
            // a process that died after it had published responses, and before it notified: the frontend would wait for
            // ever
            device.events().notify(port);
        }
    }

    Abi abi() {
        return ring.abi();
    }

    DiskPort port() {
        return device.port();
    }

    int entries() {
        return ring.entries();
    }

    int inFlight() {
        return inFlight;
    }

    /** Why it is not served any more, or null. */
    String halted() {
        return halted;
    }

    /** Takes what waits and submits it. True if there was anything. */
    boolean take() {
        if (halted != null || !port().isOpen()) {
            return false;
        }
        // before asking what waits: it may wait for one of these
        boolean some = continueHeld();
        if (waits()) {
            return some;
        }
        barrierWaits = false;
        roomWaits = -1;
        try {
            boolean gathered = gather();
            // before anything of it is submitted
            BlkifDevice.settle();
            return gathered && serve() || some;
        } catch (RingException e) {
            halt(e.getMessage());
            return false;
        }
    }

    /** Whether nothing can be taken before something has ended. */
    private boolean waits() {
        return barrier != null
                || barrierWaits && inFlight > 0
                || roomWaits == device.room().givenBack();
    }

    private boolean continueHeld() {
        boolean some = false;
        while (heldCount > 0 && port().isOpen()) {
            some = true;
            held[--heldCount].submit();
        }
        return some;
    }

    /** Copies requests out of the ring, up to a barrier; false if there are none. */
    private boolean gather() throws RingException {
        batchSize = 0;
        leftInBatch = 0;
        while (leftNext < left.length) {
            if (!admit(begin(left[leftNext]))) {
                return batchSize > 0;
            }
            leftNext++;
            leftInBatch++;
        }
        int waiting = ring.waiting();
        while (waiting-- > 0) {
            QueueRequest request = begin(log.take(ring));
            if (!admit(request)) {
                ring.untake(1);
                log.consumed(ring);
                log.giveBack(request.slot());
                break;
            }
        }
        log.consumed(ring);
        return batchSize > 0;
    }

    private QueueRequest begin(int slot) {
        QueueRequest request = requests[slot];
        if (request == null) {
            request = new QueueRequest(this, slot);
            requests[slot] = request;
        }
        request.begin(log.request(slot), device.writable());
        return request;
    }

    /**
     * Adds to the batch, unless a barrier stands between: before one all others must have ended, and after it nothing
     * begins.
     */
    private boolean admit(QueueRequest request) {
        boolean isBarrier = !request.failed() && request.blk().operation() == Blkif.WRITE_BARRIER;
        if (isBarrier && batchSize + inFlight > 0) {
            barrierWaits = true;
            return false;
        }
        if (barrier != null) {
            return false;
        }
        if (isBarrier) {
            barrier = request;
        }
        batch[batchSize++] = request;
        return true;
    }

    /** Finds the data of the batch and submits it; false if all of it has to wait. */
    private boolean serve() {
        data.readIndirectSegments(batch, batchSize);
        int ready = data.find(batch, batchSize);
        int submitted = 0;
        while (submitted < ready && port().isOpen()) {
            inFlight++;
            batch[submitted++].submit();
        }
        putBack(submitted);
        if (ready < batchSize) {
            roomWaits = device.room().givenBack();
        }
        return submitted > 0;
    }

    /** Leaves the last of the batch for later, in the ring or among those of an earlier process. */
    private void putBack(int from) {
        if (from == batchSize) {
            return;
        }
        for (int i = from; i < batchSize; i++) {
            batch[i].free(device.buffers(), device.room());
            if (batch[i] == barrier) {
                barrier = null;
            }
        }
        int firstFresh = Math.max(from, leftInBatch);
        ring.untake(batchSize - firstFresh);
        log.consumed(ring);
        for (int i = firstFresh; i < batchSize; i++) {
            log.giveBack(batch[i].slot());
        }
        leftNext -= Math.max(0, leftInBatch - from);
    }

    // ---- ends

    /** A step has ended and another follows. */
    void goOn(QueueRequest request) {
        if (halted != null) {
            request.fail(Blkif.ERROR);
            finished(request);
        } else if (port().isOpen()) {
            try {
                request.submit();
            } catch (RuntimeException | Error e) {
                // called by whatever completes requests, which must not end for it
                device.failed(e);
            }
        } else {
            held[heldCount++] = request;
        }
    }

    /** A request has ended; it is answered at the end of the turn. */
    void finished(QueueRequest request) {
        done[doneCount++] = request;
        if (request == barrier) {
            barrier = null;
        }
        device.ended();
    }

    /** How many have ended and are not answered yet. */
    int ended() {
        return doneCount;
    }

    /** Answers what has ended, and notifies the frontend at most once. True if there was anything. */
    boolean publish() {
        if (doneCount == 0) {
            return false;
        }
        if (halted == null) {
            data.copyRead(done, doneCount);
        }
        int count = doneCount;
        doneCount = 0;
        inFlight -= count;
        for (int i = 0; i < count; i++) {
            QueueRequest request = done[i];
            request.free(device.buffers(), device.room());
            if (halted == null) {
                ring.respond(request.blk().id(), request.blk().answeredOperation(), request.status());
                log.answered(request.slot(), ring);
            }
            if (request.outgrown(device.room())) {
                requests[request.slot()] = null;
            }
        }
        if (halted == null) {
            boolean wanted = ring.push();
            log.published(ring);
            if (wanted) {
                device.events().notify(port);
            }
        }
        return true;
    }

    /** Asks for a notification at the next request; true if there is work already. */
    boolean arm() {
        if (halted != null || !port().isOpen()) {
            return false;
        }
        if (heldCount > 0) {
            return true;
        }
        if (waits()) {
            return false;
        }
        try {
            return ring.arm() || leftNext < left.length;
        } catch (RingException e) {
            halt(e.getMessage());
            return false;
        }
    }

    private void halt(String why) {
        // what makes no sense may not have been read at all, and then it is not the ring's fault
        BlkifDevice.settle();
        if (halted == null) {
            stop(why);
            device.log().log(Level.WARNING, this + ": stopped, " + why);
        }
    }

    /** Serves the ring no more; what is in flight ends unanswered. */
    void stop(String why) {
        if (halted == null) {
            halted = why;
        }
    }

    /** Requests that no disk has: they are between two steps. */
    int betweenSteps() {
        return heldCount;
    }

    /** Takes back what waits because the storage has failed it: it is between two steps then. */
    void takeBack() {
        for (int slot = 0; slot < requests.length && inFlight > heldCount; slot++) {
            if (requests[slot] != null && requests[slot].withdraw()) {
                held[heldCount++] = requests[slot];
            }
        }
    }

    /** The frontend is leaving: what is between two steps ends here. */
    void dropHeld() {
        while (heldCount > 0) {
            QueueRequest request = held[--heldCount];
            request.fail(Blkif.ERROR);
            finished(request);
        }
    }

    /** Nothing is at the disk. What is between two steps stays in the log for the next process. */
    void close() {
        heldCount = 0;
        for (QueueRequest request : requests) {
            if (request != null) {
                request.free(device.buffers(), device.room());
            }
        }
        data.close();
    }

    @Override
    public String toString() {
        return "queue " + index;
    }
}
