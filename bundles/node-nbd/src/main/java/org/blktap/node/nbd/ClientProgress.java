package org.blktap.node.nbd;

/** What one client waits for, and how much it has moved. Loop only. */
final class ClientProgress {
    /** The next request waits in the receiver: for room, or for the port. */
    private boolean stalled;
    /** Whether the thing that it waits for may have come. */
    private boolean retry;
    /** The next request waits for buffers that others have. */
    private boolean starving;
    /** The socket's send buffer is full. */
    private boolean blocked;
    /** Bytes received and sent, and how many they were when others began to wait for buffers. */
    private long moved;

    private long movedMark;

    boolean stalled() {
        return stalled;
    }

    boolean retry() {
        return retry;
    }

    boolean blocked() {
        return blocked;
    }

    /** Whether it waits for buffers through no fault of its own. */
    boolean starves() {
        return starving && !blocked;
    }

    /** Requests are taken again, or no more: none waits. */
    void reset() {
        stalled = false;
        starving = false;
        retry = false;
    }

    /** The next request must wait. */
    void stall() {
        stalled = true;
    }

    /** The next request must wait for buffers that others have. */
    void starve() {
        stalled = true;
        starving = true;
    }

    /** What a waiting request waits for may have come. */
    void wake() {
        retry = stalled;
    }

    /** Others have returned buffers, or some time has passed. */
    void buffersFreed() {
        retry |= starving;
    }

    void received(long bytes) {
        moved += bytes;
    }

    /** @param full whether the socket takes no more at present */
    void sent(long bytes, boolean full) {
        moved += bytes;
        blocked = full;
        retry |= stalled && !full;
    }

    void mark() {
        movedMark = moved;
    }

    /** Bytes received and sent since the mark. */
    long sinceMark() {
        return moved - movedMark;
    }
}
