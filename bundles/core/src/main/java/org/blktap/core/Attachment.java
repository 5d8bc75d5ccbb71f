package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
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
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeProvider;

/**
 * One attachment: a loop, a gate, the disk behind it and the nodes before it. Its methods are for control threads, one at
 * a time; they move it between running and parked by a few steps on its loop. It is advanced as far as the services that are
 * present allow, so that a driver that comes, goes and comes back, a restart, and an attach are one mechanism.
 */
final class Attachment {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final String PARKED_BY_OPERATOR = "parked by an operator";
    private final String id;
    private volatile AttachRequest request;
    private final Services services;
    private final IoLoop loop;
    private final LoopCalls calls;
    private final Gate gate;
    private final AttachmentNodes nodes;
    private final Set<Registry.Entry<DiskDriver>> usedDrivers = new HashSet<>();
    private List<AutoCloseable> kept = new ArrayList<>();
    private Registry.Entry<IoEngine> engine;
    private IoQueue queue;
    private boolean diskOpen;
    private boolean parkedByOperator;
    private boolean savesAtDetach;
    private boolean saved;
    private boolean forgotten;
    /** What the flush before the last closing of the disk failed with. */
    private DiskException lastFlush;
    private volatile State state = State.PARKED;
    private volatile String reason = "being opened";
    private volatile DiskInfo info = DiskInfo.ofSize(0);
    private volatile String engineName = "";
    private long parks;
    private long parkedSince = System.nanoTime();
    private long parkedNanos;

    /** @param restored whether an earlier life of the daemon had it */
    Attachment(String id, AttachRequest request, boolean restored, Services services) throws DiskException {
        this.id = id;
        this.request = request;
        this.services = services;
        loop = services.loops().start("blktap-" + id);
        gate = new Gate(loop, this::resumeNodes);
        calls = new LoopCalls(id, loop, gate::inFlight);
        try {
            nodes = new AttachmentNodes(request.nodes(), restored, calls, gate, services);
        } catch (DiskException e) {
            loop.close();
            throw e;
        }
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
        openQueue();
        openDisk(null);
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

    private void openQueue() throws DiskException {
        if (queue != null) {
            return;
        }
        String wanted = request.options().get("engine");
        Registry.Entry<IoEngine> found = wanted == null ? services.engineFor(request.spec().type()) : services.engines().get(wanted);
        if (found == null) {
            throw new DiskException(Reason.WRONG_TYPE, (wanted == null ? "no I/O engine" : "no I/O engine '" + wanted + "'")
                    + "; present: " + services.engines().names());
        }
        queue = calls.ask(() -> found.service().open(loop));
        engine = found;
        engineName = found.name();
    }

    /** @param like what the disk must be like, or null */
    private void openDisk(DiskInfo like) throws DiskException {
        if (diskOpen) {
            return;
        }
        Options options = new Options(request.options());
        options.text("engine", null);
        usedDrivers.clear();
        List<AutoCloseable> keptNow = new ArrayList<>();
        VirtualDisk disk = null;
        try {
            OpenContext context = new OpenContext(new OpenContext.Environment(loop, queue, services.memory(),
                    services.drivers(), services.paths(), usedDrivers, keptNow), request.readOnly(), options);
            disk = context.open(request.spec().type(), request.spec().path());
            options.checkAllKnown("tap:" + request.spec().type());
            context.checkBackingTypes();
            if (like != null) {
                Likeness.check(request.spec(), disk.info(), like);
            }
        } catch (DiskException e) {
            if (disk != null) {
                calls.run(disk::close);
            }
            close(keptNow);
            throw e;
        }
        // what the opening before has kept is held by this one now
        close(kept);
        kept = keptNow;
        open(disk);
    }

    private void open(VirtualDisk disk) throws DiskException {
        DiskInfo found = disk.info();
        boolean resized = info.sizeBytes() != found.sizeBytes();
        info = found;
        diskOpen = true;
        savesAtDetach = disk.savesAtDetach();
        calls.run(() -> {
            gate.open(disk);
            // not yet: the nodes come first
            gate.close();
            if (resized) {
                nodes.each(DeviceNode::resized);
            }
        });
    }

    private void resumeNodes() {
        nodes.each(DeviceNode::resumed);
    }

    /** A driver is going away: parks if the disk, or an image of its chain, is of it. Returns with nothing of it in use. */
    synchronized boolean driverGone(Registry.Entry<DiskDriver> gone) throws DiskException {
        if (!diskOpen || !usedDrivers.contains(gone)) {
            return false;
        }
        park("waiting for the driver of tap:" + gone.name());
        return true;
    }

    /** The same for an engine. */
    synchronized boolean engineGone(Registry.Entry<IoEngine> gone) throws DiskException {
        if (queue == null || !gone.equals(engine)) {
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
        if (savesAtDetach) {
            throw new DiskException(Reason.UNSUPPORTED, request.spec() + ": saves its contents at the detach, and cannot be exchanged");
        }
        AttachRequest before = request;
        request = new AttachRequest(image, before.id(), before.nodes(), before.readOnly(), before.options());
        try {
            openQueue();
            openDisk(info);
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
        DiskException failed = null;
        if (diskOpen) {
            failed = flush();
            VirtualDisk disk = calls.ask(gate::takeDisk);
            diskOpen = false;
            usedDrivers.clear();
            calls.run(disk::close);
        }
        if (queue != null) {
            calls.run(queue::close);
            queue = null;
            engine = null;
        }
        if (failed != null) {
            LOG.log(Level.ERROR, id + ": " + failed.getMessage());
            lastFlush = failed;
        }
    }

    private DiskException flush() throws DiskException {
        if (info.readOnly()) {
            return null;
        }
        CompletableFuture<Integer> flushed = new CompletableFuture<>();
        calls.run(() -> gate.disk().submit(new Request(r -> flushed.complete(r.error()), 0)
                .set(Operation.FLUSH, 0, 0, 0)));
        int error = calls.await(flushed, "the last flush");
        return error == 0 ? null : new DiskException(Reason.IO, request.spec() + ": the last flush failed: "
                + Errno.text(error) + "; writes since the flush before may be lost");
    }

    synchronized boolean savesAtDetach() {
        return savesAtDetach;
    }

    /**
     * Lets the disk save what would be lost by a detach.
     *
     * @throws DiskException if it cannot; the attachment goes on
     */
    synchronized void beforeEnd() throws DiskException {
        if (!savesAtDetach) {
            return;
        }
        if (!diskOpen) {
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
        close(kept);
        if (lastFlush != null) {
            throw lastFlush;
        }
    }

    private void close(List<AutoCloseable> resources) {
        for (AutoCloseable resource : resources) {
            try {
                resource.close();
            } catch (Exception e) {
                LOG.log(Level.WARNING, id + ": " + e);
            }
        }
        resources.clear();
    }

    AttachmentStatus status() {
        return new AttachmentStatus(id, request.spec().toString(), state, reason, info.sizeBytes(), info.blockSize(),
                request.readOnly() || info.readOnly(), engineName, nodes.status(state == State.DETACHING), request.options(), info.details());
    }

    AttachmentStats stats() throws DiskException {
        long nanos = parkedNanos + (state == State.PARKED && parks > 0 ? System.nanoTime() - parkedSince : 0);
        return calls.ask(() -> new AttachmentStats(id, gate.inFlight(), parks, TimeUnit.NANOSECONDS.toMillis(nanos),
                gate.statistics().snapshot()));
    }
}
