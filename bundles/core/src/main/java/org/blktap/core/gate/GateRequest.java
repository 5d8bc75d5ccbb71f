package org.blktap.core.gate;

import org.blktap.api.disk.Request;

/**
 * A request with the gate's own fields: one of a node, or one that the core makes. It records whether it is at the
 * disk, so that an unexpected completion is ignored. Loop only.
 */
final class GateRequest extends Request {
    /** The completion of requests that the core makes. */
    private static final Completion PASS_ON = request -> {
        GateRequest ended = (GateRequest) request;
        if (ended.leaveDisk()) {
            ended.deliver();
        }
    };

    private final Gate gate;
    private final Completion owner;
    private boolean atDisk;
    private GateRequest next;
    /** The error that was last delivered to the owner. */
    private int delivered;

    private GateRequest(Completion first, Gate gate, Completion owner, int pieces) {
        super(first, pieces);
        this.gate = gate;
        this.owner = owner;
    }

    /** Makes a request of a node: its completion goes to the gate first. */
    static GateRequest of(Gate gate, Completion owner, int pieces) {
        return new GateRequest(gate, gate, owner, pieces);
    }

    /** Makes a request of the core: a part of another request, or a flush. */
    static GateRequest own(Completion owner, int pieces) {
        return new GateRequest(PASS_ON, null, owner, pieces);
    }

    /** Whether {@link #of} made it for this gate. */
    boolean isOf(Gate other) {
        return gate == other;
    }

    /** Marks it as at the disk. */
    void enterDisk() {
        atDisk = true;
    }

    boolean atDisk() {
        return atDisk;
    }

    /**
     * Marks it as no longer at the disk, which has completed it, or has thrown.
     *
     * @return false if it was not at the disk: then the completion and its error are ignored
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

    /** Calls its owner, which may submit it again at once. */
    void deliver() {
        delivered = error();
        owner.completed(this);
    }

    /** Sets the time of the turn in which it is taken. */
    void taken(long nanos) {
        takenNanos(nanos);
    }

    /** A link for its present holder, to keep it in a list without allocating. */
    GateRequest next() {
        return next;
    }

    void next(GateRequest request) {
        next = request;
    }
}
