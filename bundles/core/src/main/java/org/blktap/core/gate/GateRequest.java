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
    /** The node's; null if the core makes the request. */
    private final NodePort port;

    private final Completion owner;
    private boolean atDisk;
    private GateRequest next;
    /** The error that was last delivered to the owner. */
    private int delivered;
    /** The error for which it is held. */
    private int failedWith;

    private GateRequest(Completion first, Gate gate, NodePort port, Completion owner, int pieces) {
        super(first, pieces);
        this.gate = gate;
        this.port = port;
        this.owner = owner;
    }

    /** Makes a request of a node: its completion goes to the gate first. */
    static GateRequest of(Gate gate, NodePort port, Completion owner, int pieces) {
        return new GateRequest(gate, gate, port, owner, pieces);
    }

    /** Makes a request of the core: a part of another request, or a flush. */
    static GateRequest own(Completion owner, int pieces) {
        return new GateRequest(PASS_ON, null, null, owner, pieces);
    }

    /** Whether {@link #of} made it for this gate. */
    boolean isOf(Gate other) {
        return gate == other;
    }

    /** That of its node, or null. */
    NodePort port() {
        return port;
    }

    /** Sets the error for which it is held. */
    void failedWith(int errno) {
        failedWith = errno;
    }

    int failedWith() {
        return failedWith;
    }

    /** Makes it as it was when its node submitted it. Not for a MAP, whose list may have been filled in part. */
    void again() {
        set(operation(), offset(), length(), flags());
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
