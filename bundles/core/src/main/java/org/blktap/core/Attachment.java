package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeProvider;

/**
 * One attachment: a loop, a gate, the {@link AttachmentDisk} behind it and the {@link AttachmentNodes} before it. Its methods are for control threads, one at
 * a time; they move it between running and parked by a few steps on its loop. It is advanced as far as the services that are
 * present allow, so that a driver that comes, goes and comes back, a restart, and an attach are one mechanism.
 */
final class Attachment {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final String PARKED_BY_OPERATOR = "parked by an operator";
    private final String id;
    private volatile AttachRequest request;
    private final IoLoop loop;
    private final LoopCalls calls;
    private final Gate gate;
    private final AttachmentNodes nodes;
    private final AttachmentDisk disk;
    private boolean parkedByOperator;
    private boolean saved;
    private boolean forgotten;
    /** What the flush before the last closing of the disk failed with. */
    private DiskException lastFlush;
    private volatile State state = State.PARKED;
    private volatile String reason = "being opened";
    private long parks;
    private long parkedSince = System.nanoTime();
    private long parkedNanos;

    /** @param restored whether an earlier life of the daemon had it */
    Attachment(String id, AttachRequest request, boolean restored, Services services) throws DiskException {
        this.id = id;
        this.request = request;
        loop = services.loops().start("blktap-" + id);
        gate = new Gate(loop, this::resumeNodes);
        calls = new LoopCalls(id, loop, gate::inFlight);
        try {
            nodes = new AttachmentNodes(request.nodes(), restored, calls, gate, services);
        } catch (DiskException e) {
            loop.close();
            throw e;
        }
        disk = new AttachmentDisk(id, loop, calls, gate, nodes, services);
    }

    String id() {
        return id;
    }

    AttachRequest request() {
        return request;
    }

    State state() {
        return state;
    }

    /** Why it is not running; empty if it is. */
    String reason() {
        return reason;
    }

    /**
     * Opens whatever is not open and can be: the engine's queue, the disk, the nodes.
     *
     * @throws DiskException what stands in the way; the attachment is parked with this as its reason
     */
    synchronized void advance() throws DiskException {
        if (state != State.PARKED || parkedByOperator || saved) {
            return;
        }
        try {
            open();
        } catch (DiskException e) {
            reason = e.getMessage();
            throw e;
        }
        letThrough();
    }

    private void open() throws DiskException {
        disk.open(request, null);
        nodes.open();
    }

    /** All is open: requests are taken. */
    private void letThrough() throws DiskException {
        calls.run(() -> {
            gate.reopen();
            resumeNodes();
        });
        if (parks > 0) {
            parkedNanos += System.nanoTime() - parkedSince;
        }
        state = State.RUNNING;
        reason = "";
    }

    private void resumeNodes() {
        nodes.each(DeviceNode::resumed);
    }

    /** A driver is going away: parks if the disk, or an image of its chain, is of it. Returns with nothing of it in use. */
    synchronized boolean driverGone(Registry.Entry<DiskDriver> gone) throws DiskException {
        if (!disk.uses(gone)) {
            return false;
        }
        park("waiting for the driver of tap:" + gone.name());
        return true;
    }

    /** The same for an engine. */
    synchronized boolean engineGone(Registry.Entry<IoEngine> gone) throws DiskException {
        if (!disk.isCarriedBy(gone)) {
            return false;
        }
        park("waiting for the I/O engine " + gone.name());
        return true;
    }

    /** The same for a kind of node: its nodes are closed, and opened again when the kind is back. */
    synchronized boolean providerGone(Registry.Entry<NodeProvider> gone) throws DiskException {
        if (!nodes.anyServedBy(gone)) {
            return false;
        }
        quiesce(parkedByOperator ? reason : "waiting for nodes of kind " + gone.name());
        nodes.closeServedBy(gone);
        return true;
    }

    synchronized void parkByOperator(LoopCalls.Action record) throws DiskException {
        checkNotForgotten();
        if (!parkedByOperator) {
            park(PARKED_BY_OPERATOR);
            parkedByOperator = true;
        }
        record.run();
    }

    /** An earlier life of the daemon had it parked by an operator, and it stays so. */
    synchronized void stayParked() {
        parkedByOperator = true;
        reason = PARKED_BY_OPERATOR;
    }

    synchronized void resumeByOperator(LoopCalls.Action record) throws DiskException {
        record.run();
        parkedByOperator = false;
        advance();
    }

    /** Keeps what a restart attaches. */
    interface Recorder {
        void write(AttachRequest request) throws DiskException;
    }

    /** Records what it is. */
    synchronized void record(Recorder recorder) throws DiskException {
        checkNotForgotten();
        recorder.write(request);
    }

    /** Removes the record. From here on it is at its end, and nothing is recorded of it again, which a restart would attach. */
    synchronized void forget(LoopCalls.Action removal) throws DiskException {
        removal.run();
        forgotten = true;
    }

    private void checkNotForgotten() throws DiskException {
        if (forgotten || state == State.DETACHING) {
            throw new DiskException(Reason.NOT_FOUND, "attachment '" + id + "' is being detached");
        }
    }

    /**
     * Goes on with another image. It is recorded before the VM's first request reaches it, so that no restart goes back behind that.
     */
    synchronized void resumeOn(TapSpec image, Recorder recorder) throws DiskException {
        checkNotForgotten();
        if (!parkedByOperator || state != State.PARKED) {
            throw new DiskException(Reason.BUSY, "attachment '" + id + "' is " + (state == State.PARKED ? "parked, though by nobody: " + reason
                    : "not parked") + "; park it first");
        }
        if (disk.savesAtDetach()) {
            throw new DiskException(Reason.UNSUPPORTED, request.spec() + ": saves its contents at the detach, and cannot be exchanged");
        }
        AttachRequest before = request;
        request = new AttachRequest(image, before.id(), before.nodes(), before.readOnly(), before.options());
        try {
            disk.open(request, disk.info());
            nodes.open();
            recorder.write(request);
        } catch (DiskException | RuntimeException e) {
            request = before;
            park(PARKED_BY_OPERATOR + "; " + e.getMessage());
            throw e;
        }
        parkedByOperator = false;
        letThrough();
    }

    /** Takes no more requests and waits for those under way. */
    private void quiesce(String why) throws DiskException {
        CompletableFuture<Void> drained = calls.ask(gate::close);
        if (state == State.RUNNING) {
            state = State.PARKED;
            parks++;
            parkedSince = System.nanoTime();
        }
        reason = why;
        calls.await(drained, "requests under way");
    }

    /** Quiesces, flushes and closes the disk and its engine's queue. */
    private void park(String why) throws DiskException {
        quiesce(why);
        DiskException failed = disk.close();
        if (failed != null) {
            LOG.log(Level.ERROR, id + ": " + failed.getMessage());
            lastFlush = failed;
        }
    }

    synchronized boolean savesAtDetach() {
        return disk.savesAtDetach();
    }

    /**
     * Lets the disk save what would be lost by a detach.
     *
     * @throws DiskException if it cannot; the attachment goes on
     */
    synchronized void beforeEnd() throws DiskException {
        if (!disk.savesAtDetach()) {
            return;
        }
        if (!disk.isOpen()) {
            parkedByOperator = false;
            advance();
        }
        quiesce("being saved");
        // from here on nothing may be written: nobody opens the gate again
        saved = true;
        try {
            gate.disk().beforeDetach();
        } catch (DiskException e) {
            saved = false;
            advance();
            throw e;
        }
    }

    /**
     * Has the VMs let their devices go, or takes them away. While it waits for one that is asked, requests go on.
     *
     * @throws DiskException if one keeps it; the attachment goes on, and those nodes whose VMs have let go leave it of themselves
     */
    synchronized void unplug(boolean force) throws DiskException {
        nodes.unplug(force);
    }

    /** Opens one more node. */
    synchronized void plug(String node, Recorder recorder) throws DiskException {
        checkNotForgotten();
        if (saved) {
            throw new DiskException(Reason.BUSY, "attachment '" + id + "' is being detached");
        }
        nodes.add(node);
        List<String> more = new ArrayList<>(request.nodes());
        more.add(node);
        try {
            recordNodes(more, recorder);
        } catch (DiskException | RuntimeException e) {
            unplug(node, true, unrecorded -> { });
            throw e;
        }
    }

    /** Ends one of its nodes, after its VM has let the device go. */
    synchronized void unplug(String node, boolean force, Recorder recorder) throws DiskException {
        checkNotForgotten();
        boolean running = state == State.RUNNING;
        // whoever has parked it, for whatever reason, finds it as it was
        String why = running ? "a node is being removed" : reason;
        List<String> fewer = new ArrayList<>(request.nodes());
        try {
            fewer.remove(nodes.remove(node, force, () -> quiesce(why)));
        } finally {
            if (running) {
                advance();
            }
        }
        recordNodes(fewer, recorder);
    }

    private void recordNodes(List<String> specs, Recorder recorder) throws DiskException {
        request = new AttachRequest(request.spec(), request.id(), specs, request.readOnly(), request.options());
        recorder.write(request);
    }

    /**
     * Ends the attachment: drains, closes the nodes, flushes, closes the disk, ends the loop. Once is enough.
     *
     * @throws DiskException if the last flush failed; it is ended all the same
     */
    synchronized void end() throws DiskException {
        if (state == State.DETACHING) {
            return;
        }
        state = State.DETACHING;
        reason = "";
        lastFlush = null;
        quiesce("");
        nodes.close();
        park("");
        loop.close();
        disk.release();
        if (lastFlush != null) {
            throw lastFlush;
        }
    }

    AttachmentStatus status() {
        DiskInfo info = disk.info();
        return new AttachmentStatus(id, request.spec().toString(), state, reason, info.sizeBytes(), info.blockSize(),
                request.readOnly() || info.readOnly(), disk.engineName(), nodes.status(state == State.DETACHING), request.options(), info.details());
    }

    AttachmentStats stats() throws DiskException {
        long nanos = parkedNanos + (state == State.PARKED && parks > 0 ? System.nanoTime() - parkedSince : 0);
        return calls.ask(() -> new AttachmentStats(id, gate.inFlight(), parks, TimeUnit.NANOSECONDS.toMillis(nanos),
                gate.statistics().snapshot()));
    }
}
