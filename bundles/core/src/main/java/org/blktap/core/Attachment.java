package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
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
    /** A drain that takes longer is told in the log, and waited for on. */
    private static final long PATIENCE_SECONDS = 10;

    private final String id;
    private final AttachRequest request;
    private final Services services;
    private final IoLoop loop;
    private final Gate gate;
    private final List<OpenNode> nodes = new ArrayList<>();
    private final Set<Registry.Entry<DiskDriver>> usedDrivers = new HashSet<>();
    private List<AutoCloseable> kept = new ArrayList<>();
    private Registry.Entry<IoEngine> engine;
    private IoQueue queue;
    private boolean diskOpen;
    private boolean parkedByOperator;
    private boolean savesAtDetach;
    private boolean saved;
    /** What the flush before the last closing of the disk failed with. */
    private DiskException lastFlush;
    private volatile State state = State.PARKED;
    private volatile String reason = "being opened";
    private volatile DiskInfo info = DiskInfo.ofSize(0);
    private volatile String engineName = "";
    private long parks;
    private long parkedSince = System.nanoTime();
    private long parkedNanos;

    Attachment(String id, AttachRequest request, Services services) throws DiskException {
        this.id = id;
        this.request = request;
        this.services = services;
        for (String node : request.nodes()) {
            nodes.add(new OpenNode(NodeSpec.parse(node)));
        }
        loop = services.loops().start("blktap-" + id);
        gate = new Gate(loop, this::resumeNodes);
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
            openQueue();
            openDisk();
            openNodes();
        } catch (DiskException e) {
            reason = e.getMessage();
            throw e;
        }
        onLoop(() -> {
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
        queue = onLoop(() -> found.service().open(loop));
        engine = found;
        engineName = found.name();
    }

    private void openDisk() throws DiskException {
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
        } catch (DiskException e) {
            if (disk != null) {
                onLoop(disk::close);
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
        onLoop(() -> {
            gate.open(disk);
            // not yet: the nodes come first
            gate.close();
            if (resized) {
                openNodesDo(DeviceNode::resized);
            }
        });
    }

    private void openNodes() throws DiskException {
        for (OpenNode node : nodes) {
            if (!node.isOpen()) {
                onLoop(() -> {
                    node.open(id, loop, gate, services);
                });
            }
        }
    }

    private void resumeNodes() {
        openNodesDo(DeviceNode::resumed);
    }

    private void openNodesDo(java.util.function.Consumer<DeviceNode> action) {
        for (OpenNode node : nodes) {
            if (node.isOpen()) {
                action.accept(node.node());
            }
        }
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
        if (nodes.stream().noneMatch(node -> node.servedBy(gone))) {
            return false;
        }
        quiesce("waiting for nodes of kind " + gone.name());
        for (OpenNode node : nodes) {
            if (node.servedBy(gone)) {
                onLoop(node::close);
            }
        }
        return true;
    }

    synchronized void parkByOperator() throws DiskException {
        if (parkedByOperator) {
            return;
        }
        park("parked by an operator");
        parkedByOperator = true;
    }

    synchronized void resumeByOperator() throws DiskException {
        parkedByOperator = false;
        advance();
    }

    /** Takes no more requests and waits for those under way. */
    private void quiesce(String why) throws DiskException {
        CompletableFuture<Void> drained = onLoop(gate::close);
        if (state == State.RUNNING) {
            state = State.PARKED;
            parks++;
            parkedSince = System.nanoTime();
        }
        reason = why;
        await(drained, "requests under way");
    }

    /** Quiesces, flushes and closes the disk and its engine's queue. */
    private void park(String why) throws DiskException {
        quiesce(why);
        DiskException failed = null;
        if (diskOpen) {
            failed = flush();
            VirtualDisk disk = onLoop(gate::takeDisk);
            diskOpen = false;
            usedDrivers.clear();
            onLoop(disk::close);
        }
        if (queue != null) {
            onLoop(queue::close);
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
        onLoop(() -> gate.disk().submit(new Request(r -> flushed.complete(r.error()), 0)
                .set(Operation.FLUSH, 0, 0, 0)));
        int error = await(flushed, "the last flush");
        return error == 0 ? null : new DiskException(Reason.IO, request.spec() + ": the last flush failed: "
                + Errno.text(error) + "; writes since the flush before may be lost");
    }

    private <T> T await(CompletableFuture<T> future, String what) throws DiskException {
        while (true) {
            try {
                return future.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            } catch (TimeoutException e) {
                LOG.log(Level.WARNING, id + ": still waiting for " + what + " (" + gate.inFlight() + " in flight)");
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new DiskException(Reason.IO, id + ": interrupted while waiting for " + what, e);
            } catch (ExecutionException e) {
                throw new DiskException(Reason.IO, id + ": " + e.getCause(), e);
            }
        }
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
     * Ends the attachment: drains, closes the nodes, flushes, closes the disk, ends the loop.
     *
     * @throws DiskException if the last flush failed; it is ended all the same
     */
    synchronized void end() throws DiskException {
        state = State.DETACHING;
        reason = "";
        lastFlush = null;
        quiesce("");
        onLoop(() -> nodes.forEach(OpenNode::close));
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
        List<AttachmentStatus.Node> shown = new ArrayList<>();
        for (OpenNode node : nodes) {
            Map<String, ?> status;
            try {
                status = state == State.DETACHING ? Map.of() : loop.call(node::status);
            } catch (Exception e) {
                status = Map.of("status", e.toString());
            }
            shown.add(new AttachmentStatus.Node(node.spec.kind(), node.address(), status));
        }
        return new AttachmentStatus(id, request.spec().toString(), state, reason, info.sizeBytes(), info.blockSize(),
                request.readOnly() || info.readOnly(), engineName, shown, request.options(), info.details());
    }

    AttachmentStats stats() throws DiskException {
        long nanos = parkedNanos + (state == State.PARKED && parks > 0 ? System.nanoTime() - parkedSince : 0);
        return onLoop(() -> new AttachmentStats(id, gate.inFlight(), parks, TimeUnit.NANOSECONDS.toMillis(nanos),
                gate.statistics().snapshot()));
    }

    private interface LoopAction {
        void run() throws DiskException;
    }

    private interface LoopQuestion<T> {
        T ask() throws DiskException;
    }

    private void onLoop(LoopAction action) throws DiskException {
        onLoop(() -> {
            action.run();
            return null;
        });
    }

    private <T> T onLoop(LoopQuestion<T> question) throws DiskException {
        try {
            return loop.call(question::ask);
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new DiskException(Reason.IO, id + ": " + e, e);
        }
    }
}
