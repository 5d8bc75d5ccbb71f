package org.blktap.jobs.fleece;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;

/**
 * A point in time as a disk, on a loop of its own. Requests go to the loop of the source and come back. While the
 * source is closed they wait, and fail after some time. Loop only, except where noted.
 */
final class ViewDisk implements VirtualDisk {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    private static final long LOOK_MILLISECONDS = 1000;
    private static final long PACE_MILLISECONDS = 200;

    private final String name;
    private final DiskInfo info;
    private final IoLoop loop;
    private final Point point;
    private final boolean changesOnly;
    /** Whether the {@link Point} limits how fast this reads. */
    private final boolean paced;

    private final int patienceSeconds;

    private final ArrayDeque<ViewRequest> free = new ArrayDeque<>();
    private final ArrayDeque<Request> slowed = new ArrayDeque<>();
    private int inFlight;
    private IoLoop.Timer look;
    private IoLoop.Timer next;
    /** When the next read may start. */
    private long paidNanos;

    private boolean draining;

    /** @param patienceSeconds how long a request waits for a source that is not open */
    ViewDisk(
            String name,
            DiskInfo info,
            IoLoop loop,
            Point point,
            boolean changesOnly,
            boolean paced,
            int patienceSeconds) {
        this.name = name;
        this.info = info;
        this.loop = loop;
        this.point = point;
        this.changesOnly = changesOnly;
        this.paced = paced;
        this.patienceSeconds = patienceSeconds;
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    Point point() {
        return point;
    }

    /** Whether ranges that have not changed since the bitmap was cleared are shown as holes. Any thread. */
    boolean changesOnly() {
        return changesOnly;
    }

    /** Runs a task on the loop. Any thread. */
    void execute(Runnable task) {
        try {
            loop.execute(task);
        } catch (RejectedExecutionException e) {
            // a forced detach has not waited
            LOG.log(Level.DEBUG, name + ": ended without its requests");
        }
    }

    @Override
    public void submit(Request request) {
        switch (request.operation()) {
            case FLUSH -> request.complete(0);
            case READ, MAP -> {
                if (paced && !draining && request.operation() == Operation.READ) {
                    slowed.add(request);
                    startSlowed();
                } else {
                    start(request);
                }
            }
            default -> request.complete(Errno.EROFS);
        }
    }

    private void startSlowed() {
        next = null;
        long now = System.nanoTime();
        paidNanos = Math.max(paidNanos, now - TimeUnit.MILLISECONDS.toNanos(100));
        while (!slowed.isEmpty() && (draining || !point.paused() && (point.speed() == 0 || paidNanos <= now))) {
            Request request = slowed.poll();
            if (point.speed() != 0) {
                paidNanos += (long) (request.length() * 1e9 / point.speed());
            }
            start(request);
        }
        if (!slowed.isEmpty() && next == null) {
            // another speed may be set meanwhile
            long wait = Math.min(PACE_MILLISECONDS, TimeUnit.NANOSECONDS.toMillis(Math.max(0, paidNanos - now)) + 1);
            next = loop.schedule(this::startSlowed, point.paused() ? PACE_MILLISECONDS : wait);
        }
    }

    private void start(Request request) {
        inFlight++;
        if (look == null) {
            look = loop.schedule(this::look, LOOK_MILLISECONDS);
        }
        ViewRequest view = free.isEmpty() ? new ViewRequest(this) : free.pop();
        point.submit(view.of(request, System.nanoTime()));
    }

    /** Fails requests that have waited for too long. */
    private void look() {
        look = null;
        int late = point.expire(System.nanoTime() - TimeUnit.SECONDS.toNanos(patienceSeconds));
        if (late != 0) {
            LOG.log(Level.WARNING, name + ": " + late + " requests have failed: the disk is not open");
        }
        if (inFlight != 0) {
            look = loop.schedule(this::look, LOOK_MILLISECONDS);
        }
    }

    void ended(ViewRequest view) {
        inFlight--;
        Request outer = view.outer();
        int error = view.error();
        free.push(view);
        outer.complete(error);
    }

    @Override
    public void draining(boolean begins) {
        draining = begins;
        if (begins && !slowed.isEmpty()) {
            if (next != null) {
                next.cancel();
            }
            startSlowed();
        }
    }

    @Override
    public void close() {
        if (look != null) {
            look.cancel();
        }
        if (next != null) {
            next.cancel();
        }
    }
}
