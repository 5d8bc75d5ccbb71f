package org.blktap.core.gate;

import org.blktap.api.engine.Errno;

/**
 * Requests whose submission threw. The disk may still work on them, and touch their memory: until the disk is closed
 * they can neither be submitted again nor be answered, and the nodes that they came from cannot be closed. Afterwards
 * they wait for the next disk. Loop only.
 */
public final class HeldRequests {
    /** Those that the disk may still work on. */
    private GateRequest atDisk;
    /** Those whose disk is closed. */
    private GateRequest waiting;

    void add(GateRequest request) {
        // a completion that still comes is ignored
        request.leaveDisk();
        request.next(atDisk);
        atDisk = request;
    }

    public boolean anyAtDisk() {
        return atDisk != null;
    }

    /** Called when the disk is closed and no call of it is at a helper thread. */
    public void diskClosed() {
        while (atDisk != null) {
            GateRequest each = atDisk;
            atDisk = each.next();
            each.next(waiting);
            waiting = each;
        }
    }

    /** Takes one that waits, or null. */
    GateRequest take() {
        GateRequest taken = waiting;
        if (taken != null) {
            waiting = taken.next();
            taken.next(null);
        }
        return taken;
    }

    /** Fails those that wait, for nodes that are closed and whose VMs will not submit them again. */
    public void fail() {
        for (GateRequest each = take(); each != null; each = take()) {
            each.end(Errno.EIO);
            each.deliver();
        }
    }

    /**
     * Forgets those that wait: all nodes are closed, and their VMs find them unanswered in their rings, or submit them
     * again.
     */
    public void forget() {
        waiting = null;
    }
}
