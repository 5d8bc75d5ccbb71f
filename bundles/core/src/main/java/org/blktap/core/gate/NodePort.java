package org.blktap.core.gate;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.node.DiskPort;

/** The gate as one node sees it, so that requests that the node leaves when it ends are known. Loop only. */
public final class NodePort implements DiskPort, AutoCloseable {
    private final Gate gate;

    public NodePort(Gate gate) {
        this.gate = gate;
    }

    @Override
    public DiskInfo info() {
        return gate.info();
    }

    @Override
    public boolean isOpen() {
        return gate.isOpen();
    }

    @Override
    public Request newRequest(Request.Completion owner, int pieces) {
        return GateRequest.of(gate, this, owner, pieces);
    }

    @Override
    public void submit(Request request) {
        gate.submit(request);
    }

    @Override
    public boolean withdraw(Request request) {
        return gate.withdraw(request);
    }

    /** The node has ended: the memory of requests that are held may be gone, and they are forgotten. */
    @Override
    public void close() {
        gate.failed().forget(this);
    }
}
