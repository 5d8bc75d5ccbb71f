package org.blktap.node.nbd;

import org.blktap.api.disk.Request;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.node.DiskPort;

/** One request of a client from its header to the last byte of its reply: reused, owned by a connection. */
final class NbdRequest implements Request.Completion {
    /** Called when the disk completes a request. */
    @FunctionalInterface
    interface Owner {
        void done(NbdRequest request);
    }

    private final Owner owner;
    /** The request as submitted to the disk. */
    final Request disk;

    long cookie;
    int command;
    int flags;
    long offset;
    /** Length given by the client. */
    long length;
    /** Bytes of a long range, from its beginning, that the disk has done or has been asked about. */
    long done;
    /** Place of the context that a BLOCK_STATUS asks about. */
    int context;
    /** Bytes of a reply in its buffer. */
    int filled;
    /** Address of its data, or 0. */
    long address;

    private PayloadBuffers.Slab slab;
    /** Bytes that it takes of the connection's budget. */
    int charged;
    /** The extents of a MAP, lent by the connection. */
    ExtentList extents;
    /** End of its reply in the stream of all replies. */
    long replyEnd;
    /** Link of the list it is in. */
    NbdRequest next;

    NbdRequest(Owner owner, DiskPort port) {
        this.owner = owner;
        disk = port.newRequest(this, 1);
    }

    /** Takes what the client has sent. */
    void take(RequestHeader header) {
        command = header.command;
        flags = header.flags;
        cookie = header.cookie;
        offset = header.offset;
        length = header.length;
        done = 0;
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    /** @throws OutOfMemoryError when the system refuses */
    void takeBuffer(PayloadBuffers pool, int bytes) {
        slab = pool.slab(bytes);
        address = slab.take();
    }

    void giveBuffer() {
        if (slab != null) {
            slab.give(address);
            slab = null;
            address = 0;
        }
    }

    @Override
    public void completed(Request ended) {
        owner.done(this);
    }
}
