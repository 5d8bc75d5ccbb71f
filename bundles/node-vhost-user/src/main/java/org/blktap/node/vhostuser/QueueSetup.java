package org.blktap.node.vhostuser;

/**
 * What the client has announced about one ring: its size, its place in memory, and the descriptors that notify. Loop
 * only.
 */
final class QueueSetup {
    /** Stands for no descriptor. */
    private static final int UNSET = -1;

    private final VirtioBlkDevice device;
    private final int index;
    private int size;
    private int base;
    private long descriptors;
    private long avail;
    private long used;
    private boolean placed;
    private boolean enabled;
    private boolean kickGiven;
    /** The client's kick; null until one is set, and if the client asks for polling. */
    private Kick kick;

    private Doorbell call = Doorbell.NONE;
    private Doorbell err = Doorbell.NONE;

    QueueSetup(VirtioBlkDevice device, int index) {
        this.device = device;
        this.index = index;
    }

    // ---- from messages

    void checkSize(int entries) throws ProtocolException {
        if (entries < 1 || entries > VirtioBlk.QUEUE_MAX || Integer.bitCount(entries) != 1) {
            throw new ProtocolException(this + ": " + Integer.toUnsignedString(entries)
                    + " entries, expected a power of two up to " + VirtioBlk.QUEUE_MAX);
        }
    }

    void size(int entries) {
        size = entries;
    }

    void base(int firstAvail) {
        base = firstAvail & 0xffff;
    }

    void place(long descriptorTable, long availRing, long usedRing) throws ProtocolException {
        if ((descriptorTable & 15) != 0 || (availRing & 1) != 0 || (usedRing & 3) != 0) {
            throw new ProtocolException(this + ": its parts are not aligned to 16, 2 and 4 bytes");
        }
        descriptors = descriptorTable;
        avail = availRing;
        used = usedRing;
        placed = true;
    }

    void kick(int fd) throws ProtocolException {
        closeKick();
        kickGiven = false;
        if (fd != UNSET) {
            kick = Kick.of(fd, device, toString());
        }
        kickGiven = true;
    }

    void call(int fd) throws ProtocolException {
        call.close();
        call = Doorbell.NONE;
        if (fd != UNSET) {
            call = Doorbell.of(fd, device, this + ": call");
        }
    }

    void err(int fd) throws ProtocolException {
        err.close();
        err = Doorbell.NONE;
        if (fd != UNSET) {
            err = Doorbell.of(fd, device, this + ": err");
        }
    }

    void enabled(boolean on) {
        enabled = on;
    }

    // ---- the result

    /** Whether all that a ring needs to start is known. */
    boolean isComplete() {
        return kickGiven && placed && size != 0;
    }

    int size() {
        return size;
    }

    /** The entry to begin with. */
    int base() {
        return base;
    }

    boolean enabled() {
        return enabled;
    }

    /** Whether the client asks for polling. */
    boolean polled() {
        return kick == null;
    }

    /** Notifies the driver. */
    Doorbell call() {
        return call;
    }

    /** Notifies the client of a broken ring. */
    Doorbell err() {
        return err;
    }

    /** Gives a ring its addresses in this process. */
    void map(Virtqueue queue) throws ProtocolException {
        GuestMemory guest = device.guest();
        long descriptorTable = guest.userRange(descriptors, Virtqueue.descriptorBytes(size));
        long availRing = guest.userRange(avail, Virtqueue.availBytes(size));
        long usedRing = guest.userRange(used, Virtqueue.usedBytes(size));
        if (descriptorTable == 0 || availRing == 0 || usedRing == 0) {
            throw new ProtocolException(this + ": its addresses are not in the guest's memory");
        }
        queue.place(descriptorTable, availRing, usedRing);
    }

    /**
     * The ring has stopped: the next kick starts it again.
     *
     * @param lastAvail the entry to begin with then
     */
    void stopped(int lastAvail) {
        base = lastAvail;
        kickGiven = false;
    }

    /** Forgets all but the descriptors that notify. */
    void reset() {
        closeKick();
        kickGiven = false;
        placed = false;
        enabled = false;
        size = 0;
        base = 0;
    }

    void close() {
        reset();
        call.close();
        err.close();
        call = Doorbell.NONE;
        err = Doorbell.NONE;
    }

    private void closeKick() {
        if (kick != null) {
            kick.close();
            kick = null;
        }
    }

    @Override
    public String toString() {
        return "queue " + index;
    }
}
