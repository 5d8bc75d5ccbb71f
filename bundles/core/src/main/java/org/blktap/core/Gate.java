package org.blktap.core;

import java.util.concurrent.CompletableFuture;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DiskPort;

/**
 * Stands before a disk: checks and counts every request, and is the door that closes while the disk is changed. It is all
 * that nodes hold, so that no object of a driver is kept past the driver's end. Loop only.
 */
final class Gate implements DiskPort, Request.Completion {
    private static final int SECTOR = 512;

    private final IoLoop loop;
    private final Statistics statistics = new Statistics();
    private final FuaWrites fuaWrites = new FuaWrites(this);
    private final Request.Completion flushed = this::finished;
    private final Runnable reopened;
    private VirtualDisk disk;
    private DiskInfo info = DiskInfo.ofSize(0);
    private boolean open;
    private int inFlight;
    private CompletableFuture<Void> drained;
    /** A write that must be alone, waiting for the others to end or under way. */
    private UnalignedRequest alone;
    /** Nodes have seen the gate closed for a lone write that has ended. */
    private boolean paused;

    /** @param reopened called when requests are taken again after a pause that the gate made itself */
    Gate(IoLoop loop, Runnable reopened) {
        this.loop = loop;
        this.reopened = reopened;
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public boolean isOpen() {
        return open && alone == null;
    }

    @Override
    public void submit(Request request) {
        if (!isOpen()) {
            throw new IllegalStateException(request + " was submitted while the gate is closed");
        }
        inFlight++;
        request.startNanos(loop.nanoTime());
        request.gate(this);
        long offset = request.offset();
        long length = request.length();
        int refused = refuse(request, offset, length);
        if (refused != 0) {
            request.complete(refused);
        } else if (((offset | length) & SECTOR - 1) != 0) {
            unaligned(request);
        } else {
            disk.submit(request);
        }
    }

    /** 0, or the errno of a request that does not fit the disk. */
    private int refuse(Request request, long offset, long length) {
        switch (request.operation()) {
            case FLUSH -> {
                return 0;
            }
            case READ -> {
                if (request.data().total() != length) {
                    return Errno.EINVAL;
                }
            }
            case WRITE -> {
                if (request.data().total() != length) {
                    return Errno.EINVAL;
                }
                if (info.readOnly()) {
                    return Errno.EROFS;
                }
            }
            case DISCARD, WRITE_ZEROES -> {
                if (info.readOnly()) {
                    return Errno.EROFS;
                }
            }
            case MAP -> {
                if (request.extents() == null) {
                    return Errno.EINVAL;
                }
            }
        }
        if (offset < 0 || length <= 0 || offset > info.sizeBytes() - length) {
            boolean writes = request.operation() == org.blktap.api.disk.Operation.WRITE;
            return writes && offset >= 0 && length > 0 ? Errno.ENOSPC : Errno.EINVAL;
        }
        return 0;
    }

    private void unaligned(Request request) {
        UnalignedRequest parts = new UnalignedRequest(request, disk, this::aloneEnded);
        if (!parts.mustBeAlone()) {
            parts.start();
            return;
        }
        alone = parts;
        startAlone();
    }

    private void startAlone() {
        if (alone != null && !alone.started() && inFlight == 1) {
            alone.start();
        }
    }

    private void aloneEnded(UnalignedRequest parts) {
        if (alone == parts) {
            alone = null;
            paused = true;
        }
    }

    /** A request has ended at the disk. */
    @Override
    public void completed(Request request) {
        if (request.data().faulted() && request.error() == 0) {
            // the VM's memory was gone when it was to be copied; ended again with that
            request.gate(this);
            request.complete(Errno.EFAULT);
        } else if (request.has(Request.FUA) && request.error() == 0 && FuaWrites.applies(request)) {
            request.gate(flushed);
            fuaWrites.add(request);
        } else {
            finished(request);
        }
    }

    private void finished(Request request) {
        inFlight--;
        statistics.count(request, System.nanoTime());
        request.complete(request.error());
        startAlone();
        if (inFlight == 0 && drained != null) {
            CompletableFuture<Void> waiting = drained;
            drained = null;
            waiting.complete(null);
        }
        if (paused && isOpen()) {
            paused = false;
            reopened.run();
        }
    }

    /** The disk, for the gate's own requests. */
    VirtualDisk disk() {
        return disk;
    }

    IoLoop loop() {
        return loop;
    }

    /** Lets requests through to a disk. */
    void open(VirtualDisk newDisk) {
        disk = newDisk;
        info = newDisk.info();
        open = true;
    }

    /** Lets requests through again to the disk that was there. */
    void reopen() {
        open = disk != null;
    }

    /** Takes no more requests; the future ends, on the loop, when those under way have. */
    CompletableFuture<Void> close() {
        open = false;
        if (inFlight == 0) {
            return CompletableFuture.completedFuture(null);
        }
        if (drained == null) {
            drained = new CompletableFuture<>();
        }
        return drained;
    }

    /** Forgets the disk; the gate is closed and drained. Its information stays for the nodes to show. */
    VirtualDisk takeDisk() {
        VirtualDisk taken = disk;
        disk = null;
        return taken;
    }

    int inFlight() {
        return inFlight;
    }

    Statistics statistics() {
        return statistics;
    }
}
