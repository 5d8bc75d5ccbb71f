package org.blktap.image;

import org.blktap.api.disk.Request;
import org.blktap.api.engine.IoCallback;

/** A request that is one operation on the file, where the disk has to know that it is under way. Pooled. */
final class DirectRequest implements IoCallback {
    private final ClusterDisk disk;
    private Request request;
    private int entered;
    DirectRequest next;

    DirectRequest(ClusterDisk disk) {
        this.disk = disk;
    }

    DirectRequest of(Request asked, int turn) {
        request = asked;
        entered = turn;
        return this;
    }

    @Override
    public void done(int error) {
        Request ended = request;
        request = null;
        int turn = entered;
        disk.recycle(this);
        disk.inFlight.leave(turn);
        ended.complete(error);
    }
}
