package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;

/** One ring of the device: what the client has told of it, its descriptors, and the requests in flight. Loop only. */
final class BlkQueue {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.vhost-user");
    private static final int UNSET = -1;
    private static final int[] NONE = {};

    private final BlkDevice device;
    private final int index;

    // what the client has told
    private int size;
    private int base;
    private long userDescriptors;
    private long userAvail;
    private long userUsed;
    private boolean placed;
    private boolean enabled;
    private boolean kickGiven;
    private int kickFd = UNSET;
    private int callFd = UNSET;
    private int errFd = UNSET;
    private IoLoop.Watch kickWatch;

    // while it runs
    private Virtqueue ring;
    private InflightQueue inflight;
    private boolean broken;
    private BlkRequest[] requests;
    /** Taken in this turn, not yet submitted. */
    private BlkRequest[] prepared;
    /** Ended, not yet shown to the driver. */
    private BlkRequest[] done;
    private int doneCount;
    private int inFlight;
    /** Heads that an earlier daemon left unanswered, to be submitted before what waits in the ring. */
    private int[] left = NONE;
    private int leftNext;

    BlkQueue(BlkDevice device, int index) {
        this.device = device;
        this.index = index;
    }

    // ---- set-up, from messages

    /** Sets the number of entries; the ring is stopped. */
    void size(int entries) throws ProtocolException {
        if (entries < 1 || entries > VirtioBlk.QUEUE_MAX || Integer.bitCount(entries) != 1) {
            throw new ProtocolException(
                    this + ": " + Integer.toUnsignedString(entries) + " entries, expected a power of two up to "
                            + VirtioBlk.QUEUE_MAX);
        }
        stop();
        size = entries;
    }

    /** Sets where to begin; the ring is stopped. */
    void base(int firstAvail) {
        stop();
        base = firstAvail & 0xffff;
    }

    /** Sets where the ring is, in the client's own addresses. */
    void place(long descriptors, long avail, long used) throws ProtocolException {
        if ((descriptors & 15) != 0 || (avail & 1) != 0 || (used & 3) != 0) {
            throw new ProtocolException(this + ": its parts are not aligned to 16, 2 and 4 bytes");
        }
        userDescriptors = descriptors;
        userAvail = avail;
        userUsed = used;
        placed = true;
        if (ring != null) {
            map(ring);
        }
        start();
    }

    /** Takes the descriptor that the driver's kicks come by; {@link #UNSET} asks for polling. */
    void kick(int fd) throws ProtocolException {
        closeKick();
        kickFd = fd;
        if (fd != UNSET) {
            try {
                nonBlocking(fd);
                kickWatch = device.loop().watch(fd, IoLoop.READABLE, this::kicked);
            } catch (IllegalStateException e) {
                closeKick();
                kickGiven = false;
                throw new ProtocolException(this + ": its kick descriptor cannot be waited for: " + e.getMessage());
            }
        }
        kickGiven = true;
        start();
    }

    /** Takes the descriptor to notify the driver by, or {@link #UNSET} for none. */
    void call(int fd) {
        closeFd(callFd);
        callFd = fd;
        nonBlocking(fd);
        // what ended while there was none to tell: one notification too many harms nobody
        if (ring != null) {
            notifyDriver();
        }
    }

    /** Takes the descriptor to report a broken ring by, or {@link #UNSET} for none. */
    void err(int fd) {
        closeFd(errFd);
        errFd = fd;
        nonBlocking(fd);
    }

    void enabled(boolean on) throws ProtocolException {
        enabled = on;
        start();
    }

    /** Starts the ring if all is known that it needs. */
    void start() throws ProtocolException {
        if (ring != null || !kickGiven || !placed || size == 0) {
            return;
        }
        Virtqueue starting = new Virtqueue(size, device.features());
        map(starting);
        requests = new BlkRequest[size];
        prepared = new BlkRequest[size];
        done = new BlkRequest[size];
        left = NONE;
        leftNext = 0;
        broken = false;
        ring = starting;
        device.guarded(() -> {
            int first = base;
            InflightQueue record = device.inflightQueue(index);
            if (record != null) {
                int[] unanswered = record.recover(size, starting.usedIndex());
                if (unanswered != null) {
                    left = unanswered;
                    first = starting.usedIndex() + unanswered.length;
                }
            }
            inflight = record;
            starting.start(first);
        }, this);
    }

    private void map(Virtqueue queue) throws ProtocolException {
        long descriptors = device.guest().userRange(userDescriptors, Virtqueue.descriptorBytes(size));
        long avail = device.guest().userRange(userAvail, Virtqueue.availBytes(size));
        long used = device.guest().userRange(userUsed, Virtqueue.usedBytes(size));
        if (descriptors == 0 || avail == 0 || used == 0) {
            throw new ProtocolException(this + ": its addresses are not in the guest's memory");
        }
        queue.place(descriptors, avail, used);
    }

    /** The guest's memory was mapped anew. */
    void remap() {
        if (ring != null && !broken) {
            try {
                map(ring);
            } catch (ProtocolException e) {
                breakRing(e.getMessage());
            }
        }
    }

    /** Ends the ring; nothing of it is in flight. */
    void stop() {
        if (ring != null) {
            base = ring.lastAvail();
            ring = null;
            inflight = null;
            broken = false;
            kickGiven = false;
        }
    }

    /** Where the ring was stopped: the next available entry. */
    int base() {
        return base;
    }

    /** Back to what it was when the client connected, but for its descriptors to call. */
    void reset() {
        stop();
        closeKick();
        kickGiven = false;
        placed = false;
        enabled = false;
        size = 0;
        base = 0;
    }

    /** Closes all descriptors; nothing is in flight. */
    void close() {
        reset();
        closeFd(callFd);
        closeFd(errFd);
        callFd = UNSET;
        errFd = UNSET;
    }

    // ---- the ring

    boolean started() {
        return ring != null;
    }

    boolean running() {
        return ring != null && !broken && (enabled || device.ringsAlwaysEnabled());
    }

    boolean broken() {
        return broken;
    }

    int inFlight() {
        return inFlight;
    }

    boolean polled() {
        return running() && kickFd == UNSET;
    }

    /**
     * Takes what waits in the ring and submits it: first everything is read from the guest's memory, then, when that is known to have been
     * there, everything is submitted.
     *
     * @return whether there was anything
     */
    boolean take() throws BrokenRingException {
        int fromLeft = left.length - leftNext;
        int waiting = ring.waiting();
        if (fromLeft + waiting == 0) {
            return false;
        }
        ring.kicksOff();
        // more than one for each descriptor cannot be right, and ends at a head that is in flight
        int count = Math.min(fromLeft + waiting, size);
        int fresh = Math.max(0, count - fromLeft);
        for (int i = 0; i < count; i++) {
            prepared[i] = i < fromLeft ? prepare(left[leftNext + i], false) : prepare(ring.take(), true);
        }
        device.settle();
        int taken = 0;
        while (taken < count && device.port().isOpen()) {
            inFlight++;
            prepared[taken++].submit(device);
        }
        int back = count - taken;
        giveBack(taken, count);
        ring.untake(Math.min(back, fresh));
        leftNext += Math.min(taken, fromLeft);
        return taken > 0;
    }

    private BlkRequest prepare(int head, boolean record) throws BrokenRingException {
        BlkRequest request = requests[head];
        if (request == null) {
            request = new BlkRequest(this, head);
            requests[head] = request;
        } else if (request.busy()) {
            throw new BrokenRingException("descriptor chain " + head + " is in flight already");
        }
        device.chain().walk(ring, device.guest(), head);
        request.prepare(device.chain(), device);
        if (record && inflight != null) {
            inflight.taken(head);
        }
        return request;
    }

    /** The port was closed by what was submitted: the rest waits on in the ring. */
    private void giveBack(int from, int to) {
        for (int i = from; i < to; i++) {
            prepared[i].free();
            if (inflight != null && i >= left.length - leftNext) {
                inflight.done(prepared[i].head());
            }
        }
    }

    /** A request has ended; it is answered at the end of the turn. */
    void finished(BlkRequest request) {
        done[doneCount++] = request;
    }

    boolean hasFinished() {
        return doneCount > 0;
    }

    /** Answers what has ended, and notifies the driver once. */
    void publish() {
        int count = doneCount;
        doneCount = 0;
        inFlight -= count;
        for (int i = 0; i < count; i++) {
            done[i].free();
        }
        if (broken) {
            return;
        }
        for (int i = 0; i < count; i++) {
            BlkRequest request = done[i];
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
            notifyDriver();
        }
    }

    /** Turns kicks on; true if something waits after all. */
    boolean arm() throws BrokenRingException {
        ring.kicksOn();
        return ring.waiting() > 0 || leftNext < left.length;
    }

    /** Serves the ring no more, tells why, and tells the client. */
    void breakRing(String why) {
        if (!broken && ring != null) {
            broken = true;
            LOG.log(Level.WARNING, device.name() + ", " + this + ": stopped, " + why);
            signal(errFd);
        }
    }

    // ---- descriptors

    private void kicked(int events) {
        long got = Libc.read(kickFd, device.eventBuffer(), 8);
        boolean gone = got == 0 || got < 0 && Libc.errno() != Errno.EAGAIN && Libc.errno() != Errno.EINTR;
        if (gone || (events & IoLoop.READABLE) == 0) {
            // neither an eventfd nor an open pipe: without its watch it cannot wake the loop over and over
            kickWatch.close();
        }
    }

    private void notifyDriver() {
        signal(callFd);
    }

    /** Adds one to an eventfd. It may be a pipe as well (User-Mode Linux), so always eight bytes; a full one will wake its reader anyway. */
    private void signal(int fd) {
        if (fd != UNSET) {
            Libc.write(fd, device.eventOne(), 8);
        }
    }

    private static void nonBlocking(int fd) {
        if (fd != UNSET) {
            int flags = Libc.fcntl(fd, Libc.F_GETFL, 0);
            if (flags != -1 && (flags & Libc.O_NONBLOCK) == 0) {
                Libc.fcntl(fd, Libc.F_SETFL, flags | Libc.O_NONBLOCK);
            }
        }
    }

    private void closeKick() {
        if (kickWatch != null) {
            kickWatch.close();
            kickWatch = null;
        }
        closeFd(kickFd);
        kickFd = UNSET;
    }

    private static void closeFd(int fd) {
        if (fd != UNSET) {
            Libc.close(fd);
        }
    }

    @Override
    public String toString() {
        return "queue " + index;
    }
}
