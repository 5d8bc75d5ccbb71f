package org.blktap.image;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.memory.Segments;

/** A read of the backing disk on behalf of an operation. Pooled. */
final class BackingRequest implements Request.Completion {
    private final ClusterDisk disk;
    private final Request request = new Request(this, 16);
    private DiskOperation owner;

    BackingRequest(ClusterDisk disk) {
        this.disk = disk;
    }

    /** Reads into bytes {@code [skip, skip + length)} of the list; whole sectors. */
    void start(DiskOperation forWhom, long offset, Segments into, long skip, long length) {
        owner = forWhom;
        request.data().sliceOf(into, skip, length);
        disk.backing.submit(request.set(Operation.READ, offset, length, 0));
    }

    @Override
    public void completed(Request ended) {
        DiskOperation told = owner;
        int error = ended.error();
        owner = null;
        disk.recycle(this);
        told.done(error);
    }
}
