package org.blktap.image;

import org.blktap.api.disk.Request;
import org.blktap.api.engine.IoCallback;

/**
 * Callback of a request that is one file operation; counts it as in flight for a space that reuses clusters. Pooled.
 */
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
