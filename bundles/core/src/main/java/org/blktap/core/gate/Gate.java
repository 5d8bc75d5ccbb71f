package org.blktap.core.gate;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.util.concurrent.CompletableFuture;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.metrics.RecentPeak;
import org.blktap.api.node.DiskPort;

/**
 * Passes requests from nodes to a disk: checks and counts each of them, and takes none while the disk is changed. Nodes
 * hold only the gate, so that no object of a driver is kept past the driver's end. If the disk throws, the gate closes,
 * and the request waits for the next disk. Loop only, except where noted.
 */
public final class Gate implements DiskPort, Request.Completion {
    private final IoLoop loop;
    private final Statistics statistics = new Statistics();
    private final ErrorSeries errors;
    private final FuaWrites fuaWrites = new FuaWrites(this);
    private final GateOwner owner;
    private VirtualDisk disk;
    private DiskInfo info = DiskInfo.ofSize(0);
    private boolean open;
    /** Whether another host has taken the disk's image. */
    private boolean lost;

    private int inFlight;
    private final RecentPeak depth = new RecentPeak();
    private final Drain drain;
    /** A write that must be alone at the disk: waits for the others to end, or is under way. */
    private UnalignedRequest alone;
    /** Whether nodes must be resumed, because the gate was closed for a lone write that has ended. */
    private boolean paused;
    /** When a request last ended, or the first of those in flight was submitted. */
    private long progressNanos;

    private final HeldRequests held = new HeldRequests();
    private final FailedRequests failed = new FailedRequests(this);
    /** The errno of a failed flush that was not reported to a VM yet, or 0. */
    private int owed;

    public Gate(IoLoop loop, GateOwner owner) {
        this.loop = loop;
        this.owner = owner;
        errors = new ErrorSeries(loop, owner::errors);
        drain = new Drain(this, loop);
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
    public Request newRequest(Request.Completion requester, int pieces) {
        return GateRequest.of(this, null, requester, pieces);
    }

    @Override
    public void submit(Request request) {
        if (!isOpen()) {
            throw new IllegalStateException(request + " was submitted while the gate is closed");
        }
        if (!(request instanceof GateRequest own) || !own.isOf(this)) {
            throw new IllegalArgumentException(request + " was not made by this port");
        }
        own.taken(loop.nanoTime());
        enter(own);
    }

    @Override
    public boolean withdraw(Request request) {
        return request instanceof GateRequest own && own.isOf(this) && failed.withdraw(own);
    }

    private void enter(GateRequest request) {
        long now = loop.nanoTime();
        if (inFlight == 0) {
            progressNanos = now;
        }
        inFlight++;
        depth.note(inFlight, now);
        long offset = request.offset();
        long length = request.length();
        int refused = RequestCheck.errno(request, info);
        if (refused != 0) {
            finished(request, refused);
        } else if (owed != 0 && request.operation() == Operation.FLUSH) {
            finished(request, pay());
        } else if (!Alignment.isAligned(offset | length, SECTOR)) {
            unaligned(request);
        } else {
            toDisk(request);
        }
    }

    private void toDisk(GateRequest request) {
        request.enterDisk();
        try {
            disk.submit(request);
        } catch (RuntimeException | Error e) {
            stop();
            // else the disk completed it before it threw
            if (request.atDisk()) {
                hold(request);
            }
            owner.diskThrew(e);
        }
    }

    /** Submits a part of a VM's request; if the disk throws, the whole is held. */
    private void partToDisk(GateRequest part, GateRequest whole) {
        part.enterDisk();
        try {
            disk.submit(part);
        } catch (RuntimeException | Error e) {
            stop();
            if (part.leaveDisk()) {
                alone = null;
                hold(whole);
            }
            owner.diskThrew(e);
        }
    }

    /**
     * Flushes the disk, whether the gate is open or closed; the future has the errno, of which no VM knows. It is in
     * flight like a request, so that a drained gate has none.
     */
    public CompletableFuture<Integer> flush() {
        CompletableFuture<Integer> flushed = new CompletableFuture<>();
        GateRequest flush = GateRequest.own(
                ended -> {
                    inFlight--;
                    progressNanos = loop.nanoTime();
                    flushed.complete(ended.error());
                    ended();
                },
                0);
        flush.set(Operation.FLUSH, 0, 0, 0);
        if (inFlight == 0) {
            progressNanos = loop.nanoTime();
        }
        inFlight++;
        flushToDisk(flush);
        return flushed;
    }

    /**
     * Submits a flush of the core's own; if the disk throws, it fails.
     *
     * @return false if the disk threw, and may still complete the request, which must not be used again
     */
    boolean flushToDisk(GateRequest flush) {
        flush.enterDisk();
        try {
            disk.submit(flush);
            return true;
        } catch (RuntimeException | Error e) {
            threw(e);
            if (flush.leaveDisk()) {
                flush.end(Errno.EIO);
                flush.deliver();
            }
            return false;
        }
    }

    private void hold(GateRequest request) {
        held.add(request);
        inFlight--;
        ended();
    }

    private void unaligned(GateRequest request) {
        request.enterDisk();
        UnalignedRequest parts = new UnalignedRequest(request, part -> partToDisk(part, request), this::aloneEnded);
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

    /** The disk has completed a request of a node. */
    @Override
    public void completed(Request request) {
        GateRequest ended = (GateRequest) request;
        if (!ended.leaveDisk()) {
            return;
        }
        if (ended.error() != 0) {
            settled(ended, ended.error());
        } else if (ended.data().faulted()) {
            // the VM's memory was gone when it had to be copied
            finished(ended, Errno.EFAULT);
        } else if (ended.has(Request.FUA) && FuaWrites.applies(ended)) {
            if (owed == 0) {
                fuaWrites.add(ended);
            } else {
                finished(ended, pay());
            }
        } else {
            finished(ended, 0);
        }
    }

    /** Ends a request of a node that the disk has ended, or holds it if that has failed and the policy says so. */
    void settled(GateRequest request, int errno) {
        if (errno == 0 || !failed.holds(request, errno)) {
            finished(request, errno);
            return;
        }
        request.end(errno);
        if (!failed.retrying() && !lost) {
            errors.failed(request);
        }
        failed.add(request);
        open = false;
        if (!lost) {
            owner.diskFailed();
        }
        inFlight--;
        progressNanos = loop.nanoTime();
        ended();
    }

    /** Submits a request that was held, and nothing else, until it has ended. */
    CompletableFuture<Void> alone(GateRequest request) {
        enter(request);
        return drain();
    }

    /** Ends a request of a node: counts it, and calls its owner. */
    void finished(GateRequest request, int errno) {
        inFlight--;
        progressNanos = loop.nanoTime();
        request.end(errno);
        statistics.count(request, loop.completionNanoTime());
        if (errno != 0) {
            errors.failed(request);
        }
        request.deliver();
        ended();
    }

    /** Called when one request fewer is in flight. */
    private void ended() {
        startAlone();
        drain.requestEnded();
        if (paused && isOpen()) {
            paused = false;
            owner.reopened();
        }
    }

    /**
     * Closes the gate, since another host has taken the disk's image. Requests that the disk ends with an error wait
     * for the next disk.
     *
     * @return false if it has lost it already, or has no disk
     */
    public boolean lose() {
        if (lost || disk == null) {
            return false;
        }
        lost = true;
        close();
        return true;
    }

    /** Whether the disk behind the gate has lost its image. */
    public boolean hasLost() {
        return lost;
    }

    /** Makes the next flush or FUA write of a VM fail, because a flush failed while no VM waited for it. */
    public void owe(int errno) {
        owed = errno;
    }

    /** Returns the errno of {@link #owe}, and forgets it. */
    private int pay() {
        int errno = owed;
        owed = 0;
        owner.paid();
        return errno;
    }

    /** Whether a failed flush is still owed to a VM. */
    public boolean owes() {
        return owed != 0;
    }

    /** The disk; null if there is none. */
    VirtualDisk disk() {
        return disk;
    }

    /** The requests whose submission threw. */
    public HeldRequests held() {
        return held;
    }

    /** The requests that the storage has failed, and that are not answered. */
    public FailedRequests failed() {
        return failed;
    }

    /** Puts a disk behind the gate, which is closed and stays so. */
    public void install(VirtualDisk newDisk) {
        disk = newDisk;
        info = newDisk.info();
    }

    /**
     * Opens the gate; first submits the requests that the disk before left, and those that the storage has failed; if
     * there are any of these, it opens when they have succeeded. Without a disk the gate stays closed.
     */
    public void open() {
        open = disk != null && !lost;
        if (open) {
            drain.over();
        }
        // one that throws again is held, and closes the gate again
        while (open) {
            GateRequest each = held.take();
            if (each == null) {
                break;
            }
            enter(each);
        }
        if (open && failed.count() > 0) {
            open = false;
            failed.retry().thenAccept(this::retried);
        } else if (open) {
            failed.opened();
        }
    }

    private void retried(boolean all) {
        if (all) {
            open();
            owner.reopened();
        } else if (failed.halted() && !lost) {
            owner.diskFailed();
        }
    }

    /** Takes nothing more: the disk has thrown. */
    private void stop() {
        open = false;
        failed.stop();
    }

    /**
     * Closes the gate; the future completes on the loop when all requests in flight have ended. The disk stays behind
     * the gate.
     */
    public CompletableFuture<Void> close() {
        failed.stop();
        return drain();
    }

    /** Closes the gate, and goes on with a retry if there is one. */
    CompletableFuture<Void> drain() {
        open = false;
        return drain.begin();
    }

    /** The disk threw when it was asked something: takes nothing more. */
    void threw(Throwable failure) {
        stop();
        owner.diskThrew(failure);
    }

    /**
     * Removes the disk from behind the closed and drained gate, and returns it. Its {@link #info} stays, for nodes to
     * show.
     */
    public VirtualDisk remove() {
        VirtualDisk removed = disk;
        disk = null;
        lost = false;
        return removed;
    }

    /** Any thread; exact on the loop. */
    public int inFlight() {
        return inFlight;
    }

    /** The most requests in flight at once in the last 30 to 60 seconds. Any thread. */
    public long depth() {
        return Math.max(inFlight, depth.get(System.nanoTime()));
    }

    /** Nanoseconds for which no request has ended though some are in flight. Any thread; exact on the loop. */
    public long stuckNanos() {
        return inFlight == 0 ? 0 : System.nanoTime() - progressNanos;
    }

    public Statistics statistics() {
        return statistics;
    }
}
