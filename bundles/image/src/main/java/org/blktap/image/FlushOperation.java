package org.blktap.image;

import org.blktap.api.disk.Request;
import org.blktap.api.engine.IoCallback;

/**
 * A flush of all files. One that a guest asks for waits for what the map has under way by itself, and lets it free what it may then, so
 * that nothing is in flight after the last. Pooled.
 */
final class FlushOperation extends DiskOperation {
    private final Runnable idle = this::idle;
    private final IoCallback settled = this::settled;
    private boolean asked;
    private IoCallback whenDone;

    FlushOperation(ClusterDisk disk) {
        super(disk);
    }

    /** A guest's. */
    void start(Request request) {
        asked = true;
        whenDone = request;
        disk.map.whenIdle(idle);
    }

    /** The disk's own. */
    void start(IoCallback done) {
        asked = false;
        whenDone = done;
        idle();
    }

    private void idle() {
        if (asked) {
            disk.map.flushing();
        }
        if (asked && disk.commits.unsure()) {
            beginLater(0, 0);
            disk.commits.mend(this);
        } else {
            begin(0, 0);
        }
    }

    @Override
    void scan() {
        for (int i = 0; i < disk.files().size(); i++) {
            part();
            disk.files().get(i).flush(this);
        }
        done(0);
    }

    @Override
    void finished(int firstError) {
        if (asked && firstError == 0) {
            disk.map.flushed(settled);
        } else {
            settled(firstError);
        }
    }

    private void settled(int e) {
        int error = e;
        if (asked) {
            int commits = disk.commits.takeFlushError();
            int map = disk.map.takeFlushError();
            error = error != 0 ? error : commits != 0 ? commits : map;
        }
        IoCallback callback = whenDone;
        whenDone = null;
        disk.recycle(this);
        callback.done(error);
    }
}
