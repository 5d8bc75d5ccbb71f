package org.blktap.client.rbd;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;

/** An image of a cluster as a disk. */
final class RbdDisk implements VirtualDisk {
    static final String SHUT_OUT = "another host has taken the image, and the cluster has blocklisted this one";
    private static final int LARGEST_OPTIMAL_IO = 4 << 20;

    private final DiskContext context;
    private final IoLoop loop;
    private final DiskInfo info;
    private final RbdQueue queue;
    private final RbdMap map;
    /** Watches the lock; null for a disk that holds none. */
    private final LockWatch lock;

    private final Closing closing;
    private boolean lost;

    /** Closes the image when the disk has been closed; not on the loop. */
    interface Closing {
        /** @param queue is freed after the image is closed */
        void close(RbdQueue queue);
    }

    /**
     * @param image open, and locked if {@code locked}; belongs to the disk from now on
     * @param closing closes it
     */
    RbdDisk(RbdImage image, boolean locked, DiskContext context, Closing closing) throws DiskException, ErrnoException {
        this.context = context;
        this.closing = closing;
        loop = context.loop();
        info = info(image, locked, context.readOnly());
        map = RbdMap.of(image, loop);
        lock = locked ? new LockWatch(image, loop, this::lose) : null;
        queue = new RbdQueue(image, this::ended);
    }

    private static DiskInfo info(RbdImage image, boolean locked, boolean readOnly) throws DiskException {
        RbdName name = image.name();
        long objectBytes = image.objectBytes();
        List<String> snapshots = image.snapshots();
        String parent = image.parent();
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", RbdDriver.TYPE);
        details.put("image", name.whole());
        details.put("cluster", image.fsid());
        details.put(DiskInfo.CLUSTER_IMAGE, image.fsid() + "/" + name.pool() + "/" + image.id());
        details.put("object size", Long.toString(objectBytes));
        if (name.snapshot() != null) {
            details.put(DiskInfo.OPENED_SNAPSHOT, name.snapshot());
        }
        if (!snapshots.isEmpty()) {
            details.put(DiskInfo.SNAPSHOTS, String.join(", ", snapshots));
        }
        if (parent != null) {
            details.put("parent", parent);
        }
        details.put("lock", locked ? "exclusive" : "none");
        return DiskInfo.ofContents(image.sizeBytes())
                .withBlocks(SECTOR, PAGE)
                .withOptimalIo((int) Math.min(objectBytes, LARGEST_OPTIMAL_IO))
                .with(Operation.DISCARD, Operation.WRITE_ZEROES)
                .withReadOnly(readOnly)
                .withDetails(details);
    }

    /** Begins to work. Loop only. */
    void start() {
        queue.start(loop);
        if (lock != null) {
            lock.start();
        }
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        switch (request.operation()) {
            case MAP -> map(request);
            case FLUSH -> {
                // without a cache, a completed write is on the disks of the cluster
                if (lost || info.readOnly()) {
                    request.complete(0);
                } else {
                    queue.submit(request);
                }
            }
            case WRITE_ZEROES -> {
                if (request.has(Request.FAST_ONLY) && request.has(Request.NO_UNMAP)) {
                    request.complete(Errno.EOPNOTSUPP);
                } else {
                    toQueue(request);
                }
            }
            default -> toQueue(request);
        }
    }

    private void toQueue(Request request) {
        if (lost) {
            request.complete(Errno.ESHUTDOWN);
        } else if (request.length() == 0) {
            request.complete(0);
        } else {
            queue.submit(request);
        }
    }

    private void map(Request request) {
        if (lost) {
            request.complete(Errno.ESHUTDOWN);
        } else if (request.has(Request.DEPTH_ONLY)) {
            request.extents().add(request.length(), ExtentList.DATA);
            request.complete(0);
        } else {
            map.submit(request);
        }
    }

    private void ended(Request request, int errno) {
        if (errno == Errno.ESHUTDOWN) {
            lose(SHUT_OUT);
        } else if (errno == Errno.EROFS && lock != null) {
            lose("another host has taken the image's lock");
        }
        request.complete(errno);
    }

    private void lose(String why) {
        if (!lost) {
            lost = true;
            context.lost(why);
        }
    }

    /** {@inheritDoc} Also called on a control thread, which has opened the image only for its properties. */
    @Override
    public void close() {
        if (!loop.inLoop()) {
            try {
                loop.call(() -> {
                    close();
                    return null;
                });
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
            return;
        }
        if (lock != null) {
            lock.close();
        }
        queue.stop();
        closing.close(queue);
    }
}
