package org.blktap.image;

import org.blktap.api.disk.Request;
import org.blktap.api.engine.IoCallback;

/** A request that is one operation on the file, where the disk has to know that it is under way. Pooled. */
final class DirectRequest implements IoCallback {
    private final InFlight inFlight;
    private final Pool<DirectRequest> pool;
    private Request request;
    private int entered;

    DirectRequest(InFlight inFlight, Pool<DirectRequest> pool) {
        this.inFlight = inFlight;
        this.pool = pool;
    }

    DirectRequest of(Request asked) {
        request = asked;
        entered = inFlight.enter();
        return this;
    }

    @Override
    public void done(int error) {
        Request ended = request;
        request = null;
        int turn = entered;
        pool.give(this);
        inFlight.leave(turn);
        ended.complete(error);
    }
}
