package org.blktap.core.gate;

import org.blktap.api.disk.Request;

/**
 * A request as it is on the core's side of a disk: that of a node, with what the gate keeps of it, or one of the core's own. Knows whether the disk has it, so
 * that a completion which nobody waits for is ignored. Loop only.
 */
final class GateRequest extends Request {
    /** What completes a request of the core's own. */
    private static final Completion PASS_ON = request -> {
        GateRequest ended = (GateRequest) request;
        if (ended.leaveDisk()) {
            ended.deliver();
        }
    };

    private final Gate gate;
    private final Completion owner;
    private boolean atDisk;
    private long startNanos;
    private GateRequest next;
    /** The error that its owner was given last. */
    private int delivered;

    private GateRequest(Completion first, Gate gate, Completion owner, int pieces) {
        super(first, pieces);
        this.gate = gate;
        this.owner = owner;
    }

    /** One of a node: what the disk completes goes to the gate first. */
    static GateRequest of(Gate gate, Completion owner, int pieces) {
        return new GateRequest(gate, gate, owner, pieces);
    }

    /** One of the core's own: a part of another, or a flush. */
    static GateRequest own(Completion owner, int pieces) {
        return new GateRequest(PASS_ON, null, owner, pieces);
    }

    /** Whether {@link #of} made it for this gate. */
    boolean isOf(Gate other) {
        return gate == other;
    }

    /** The disk has it from now on. */
    void enterDisk() {
        atDisk = true;
    }

    boolean atDisk() {
        return atDisk;
    }

    /**
     * The disk has it no more: it has completed it, or has lost it by throwing.
     *
     * @return false if the disk did not have it: the completion does not count, nor does its error
     */
    boolean leaveDisk() {
        if (!atDisk) {
            error(delivered);
            return false;
        }
        atDisk = false;
        return true;
    }

    /** Sets the error that its owner will get. */
    void end(int errno) {
        error(errno);
    }

    /** Gives it back to its owner, which may submit it again at once. */
    void deliver() {
        delivered = error();
        owner.completed(this);
    }

    /** {@link System#nanoTime} of the turn in which it was taken. */
    long startNanos() {
        return startNanos;
    }

    void startNanos(long nanos) {
        startNanos = nanos;
    }

    /** A link for its present holder, to keep it in a list without allocating. */
    GateRequest next() {
        return next;
    }

    void next(GateRequest request) {
        next = request;
    }
}
