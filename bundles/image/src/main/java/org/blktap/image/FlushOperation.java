package org.blktap.image;

import org.blktap.api.disk.Request;
import org.blktap.api.engine.IoCallback;

/**
 * A flush that a guest asks for. It waits for the map's own work in the files, and then lets the map free clusters, so
 * that nothing is in flight after the last flush. Pooled.
 */
final class FlushOperation implements Resumable {
    private final Space space;
    private final Commits commits;
    private final DataFiles files;
    private final Pool<FlushOperation> pool;
    private final Runnable idle = this::idle;
    private final IoCallback flushed = this::flushed;
    private final IoCallback settled = this::settled;
    private Request request;

    FlushOperation(Space space, Commits commits, DataFiles files, Pool<FlushOperation> pool) {
        this.space = space;
        this.commits = commits;
        this.files = files;
        this.pool = pool;
    }

    void start(Request asked) {
        request = asked;
        space.whenIdle(idle);
    }

    private void idle() {
        space.flushing();
        if (commits.unsure()) {
            commits.mend(this);
        } else {
            files.flush(flushed);
        }
    }

    /** Called when the tables are in the file, or could not be written. */
    @Override
    public void resume(int error) {
        if (error != 0) {
            settled(error);
        } else {
            files.flush(flushed);
        }
    }

    private void flushed(int error) {
        if (error != 0) {
            settled(error);
        } else {
            space.flushed(settled);
        }
    }

    private void settled(int e) {
        // both errors are taken: one flush reports all failures before it
        int ofCommits = commits.takeFlushError();
        int ofSpace = space.takeFlushError();
        int error = e != 0 ? e : ofCommits != 0 ? ofCommits : ofSpace;
        Request ended = request;
        request = null;
        pool.give(this);
        ended.complete(error);
    }
}
