package org.blktap.jobs.fleece;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.RejectedExecutionException;
import org.blktap.api.engine.Errno;

/**
 * Connects the readers of an attachment's point in time with the disk that keeps it. Readers may exist before that disk
 * is open and while it is closed: their requests wait here. Any thread.
 */
final class Point {
    private final ArrayDeque<ViewRequest> waiting = new ArrayDeque<>();
    /** The disk; null while it is closed. */
    private FleeceDisk disk;

    private boolean ended;
    private volatile long speed;
    private volatile boolean paused;

    /**
     * Sets how fast a backup reads.
     *
     * @param bytesASecond 0 for no limit
     * @param rests whether the backup pauses
     */
    void pace(long bytesASecond, boolean rests) {
        speed = bytesASecond;
        paused = rests;
    }

    /** The limit in bytes a second, or 0 for none. */
    long speed() {
        return speed;
    }

    boolean paused() {
        return paused;
    }

    /** Called when the disk is open. */
    synchronized void entered(FleeceDisk opened) {
        disk = opened;
        for (ViewRequest each = waiting.poll(); each != null && disk != null; each = waiting.poll()) {
            give(each);
        }
    }

    /** Called when the disk is being closed. */
    synchronized void left(FleeceDisk closing) {
        if (disk == closing) {
            disk = null;
        }
    }

    /** Called when the bundle stops: ends all waiting requests. */
    synchronized void end() {
        ended = true;
        waiting.forEach(each -> each.finish(Errno.EIO));
        waiting.clear();
    }

    /** Passes a request to the disk, now or when it is open. */
    synchronized void submit(ViewRequest request) {
        if (ended) {
            request.finish(Errno.EIO);
        } else if (disk == null) {
            waiting.add(request);
        } else {
            give(request);
        }
    }

    private void give(ViewRequest request) {
        try {
            disk.loop().execute(request.arrival(disk));
        } catch (RejectedExecutionException e) {
            // the loop has ended without closing the disk, as after a forced detach
            disk = null;
            waiting.add(request);
        }
    }

    /** Fails the requests that have waited for a disk since before {@code nanos}. Returns how many. */
    int expire(long nanos) {
        List<ViewRequest> late = new ArrayList<>();
        synchronized (this) {
            for (Iterator<ViewRequest> all = waiting.iterator(); all.hasNext(); ) {
                ViewRequest each = all.next();
                if (each.sinceNanos() - nanos < 0) {
                    all.remove();
                    late.add(each);
                }
            }
        }
        late.forEach(each -> each.finish(Errno.EIO));
        return late.size();
    }
}
