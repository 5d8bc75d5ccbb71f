package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeoutException;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.Attachments.Overlay;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.core.gate.ErrorReport;
import org.blktap.core.gate.FaultPolicy;
import org.blktap.core.gate.Gate;
import org.blktap.core.gate.GateOwner;

/**
 * One attachment: a loop, a gate, the {@link AttachmentDisk} on its disk side and the {@link AttachmentNodes} on its VM
 * side. Operations move it from one state of {@link Life} to another; they run one after the other, off the loop, and
 * may wait. Methods are for any thread but a loop, except where noted. Those that return a future do not wait; commands
 * wait as {@link CommandWait} says.
 */
final class Attachment {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    static final StateReason PARKED_BY_OPERATOR = new StateReason(Kind.OPERATOR, "parked by an operator");

    private final String id;
    private volatile AttachRequest request;
    private final Records.Entry record;
    private final Services services;
    private final Executor threads;
    private final IoLoop loop;
    private final LoopCalls calls;
    private final Operations operations;
    private final CommandWait commands;
    private final Gate gate;
    private final AttachmentNodes nodes;
    private final AttachmentDisk disk;
    private final Parks parks = new Parks();
    private final StateEvents events;
    /** What the VM knows of its disk; null before the first opening. */
    private volatile DiskShape known;

    private volatile Life life = new Life.Opening();
    private final AttachmentParts parts;
    private final AttachmentOpening opening;
    private final EmergencyParking emergency;
    private final FaultParking faults;
    private final AttachmentEnd end;
    private final ImageChange image;
    private final DiskSwitch diskSwitch;
    private final NodeChange nodeChange;
    private final FilterChange filterChange;
    private final ServiceLoss serviceLoss;
    private final AttachmentView view;

    /**
     * @param restored whether an earlier life of the daemon had it
     * @param threads for its operations
     */
    Attachment(
            String id, Records.Kept kept, boolean restored, Records.Entry record, Services services, Executor threads)
            throws DiskException {
        this.id = id;
        this.request = kept.request();
        this.known = kept.known();
        events = new StateEvents(id, restored, services.announcements());
        this.record = record;
        this.services = services;
        this.threads = threads;
        LockWait lockWait = LockWait.of(request);
        FaultPolicy policy = FaultPolicy.of(request.options());
        loop = services.loops().start("blktap-" + id);
        gate = new Gate(loop, new Owner());
        calls = new LoopCalls(id, loop, gate::inFlight);
        operations = new Operations(id, threads);
        commands =
                new CommandWait(id, operations, calls, () -> services.limits().drain());
        try (CloseOnFailure opened = new CloseOnFailure(loop::close)) {
            nodes = new AttachmentNodes(request.nodes(), restored, calls, gate, services);
            opened.keep();
        }
        disk = new AttachmentDisk(id, loop, calls, gate, nodes, services, this::lost);
        parts = new AttachmentParts(record, services, loop, calls, operations, commands, gate, nodes, disk);
        opening = new AttachmentOpening(this, parts, lockWait);
        emergency = new EmergencyParking(this, parts);
        faults = new FaultParking(this, parts, policy, new AutoResume(this, parts, threads));
        end = new AttachmentEnd(this, parts);
        image = new ImageChange(this, parts);
        diskSwitch = new DiskSwitch(this, parts);
        nodeChange = new NodeChange(this, parts);
        filterChange = new FilterChange(this, parts);
        serviceLoss = new ServiceLoss(this, parts, nodeChange);
        view = new AttachmentView(this, parts, parks);
        loop.execute(() -> {
            loop.onFailure(emergency::codeThrew);
            gate.owe(kept.owesError() ? Errno.EIO : 0);
            gate.failed().policy(policy);
        });
        if (kept.parked()) {
            life = new Life.Parked(PARKED_BY_OPERATOR);
        }
    }

    private final class Owner implements GateOwner {
        @Override
        public void reopened() {
            resumeNodes();
        }

        @Override
        public void diskThrew(Throwable failure) {
            String filter = disk.filters().thrower(failure);
            String what = filter == null ? "the driver of tap:" + request.spec().type() : "the filter " + filter;
            LOG.log(Level.ERROR, id + ": " + what + " threw", failure);
            emergency.diskThrew(what, failure);
        }

        @Override
        public void errors(ErrorReport report) {
            events.errors(report);
        }

        @Override
        public void diskFailed() {
            faults.diskFailed();
        }

        @Override
        public void paid() {
            threads.execute(() -> {
                try {
                    record.oweError(false);
                } catch (DiskException e) {
                    LOG.log(Level.WARNING, id + ": " + e.getMessage());
                }
            });
        }
    }

    String id() {
        return id;
    }

    AttachRequest request() {
        return request;
    }

    /** Sets what a restart attaches, once it is on record. */
    void request(AttachRequest changed) {
        request = changed;
    }

    /** What the VM knows of its disk; null before the first opening. */
    DiskShape known() {
        return known;
    }

    void known(DiskShape now) {
        known = now;
    }

    /** The operations that change its image while a VM has it. */
    ImageChange image() {
        return image;
    }

    /** Another image that holds the same, while a VM has it. */
    DiskSwitch diskSwitch() {
        return diskSwitch;
    }

    /** Its part in a snapshot. */
    OverlayChange overlay(Overlay overlay, String mark) {
        return new OverlayChange(this, parts, overlay, mark);
    }

    Operations operations() {
        return operations;
    }

    /** Its nodes, while a VM has it. */
    NodeChange nodes() {
        return nodeChange;
    }

    /** Its filters, while a VM has it. */
    FilterChange filters() {
        return filterChange;
    }

    /** The operations that release services that go away. */
    ServiceLoss serviceLoss() {
        return serviceLoss;
    }

    /** How it ends. */
    AttachmentEnd end() {
        return end;
    }

    /** How it is opened. */
    AttachmentOpening opening() {
        return opening;
    }

    /** Its events. */
    StateEvents events() {
        return events;
    }

    /** What its requests wait for that its storage has failed. */
    FaultParking faults() {
        return faults;
    }

    /** What parks it at once. */
    EmergencyParking emergency() {
        return emergency;
    }

    private void lost(String why) {
        emergency.imageTaken(why);
    }

    void to(Life next) {
        life = life.to(next);
        events.at(next, request);
    }

    // ---- running and parking

    /** @throws DiskException BUSY */
    void checkRunning() throws DiskException {
        if (!(life instanceof Life.Running)) {
            throw new DiskException(
                    Reason.BUSY, "attachment '" + id + "' is not running: " + life.why() + "; resume it first");
        }
    }

    /** All is open: requests are taken. */
    void letThrough() throws DiskException {
        // before the first request, which may lead to the next state
        to(new Life.Running());
        parks.end();
        calls.run(() -> {
            gate.open();
            resumeNodes();
        });
    }

    private void resumeNodes() {
        nodes.each(DeviceNode::resumed);
    }

    /**
     * Takes no more requests and waits for those at the disk.
     *
     * @param limit null to wait as long as it takes
     * @throws DiskException BUSY if they do not end in time, and then it continues
     */
    void quiesce(StateReason why, Duration limit) throws DiskException {
        boolean running = life instanceof Life.Running;
        if (running || life instanceof Life.Opening) {
            to(new Life.Parking(why));
            parks.begin();
        }
        CompletableFuture<Void> drained = calls.ask(gate::close);
        if (limit == null) {
            calls.await(drained, "requests in flight");
            return;
        }
        try {
            calls.await(drained, "requests in flight", limit);
        } catch (TimeoutException e) {
            int left = gate.inFlight();
            if (running) {
                letThrough();
            }
            throw new DiskException(
                    Reason.BUSY,
                    "attachment '" + id + "': " + left + " requests have not ended within " + limit.toSeconds()
                            + " s, and it goes on; detach --force does not wait for them");
        }
    }

    /** Quiesces, flushes and closes the disk and its engine's queue; what the flush failed with, or null. */
    DiskException park(StateReason why, Duration limit) throws DiskException {
        quiesce(why, limit);
        try {
            return closeDisk();
        } finally {
            to(new Life.Parked(why));
        }
    }

    DiskException closeDisk() throws DiskException {
        DiskException failed = flushDisk();
        disk.close();
        return failed;
    }

    /**
     * Flushes the disk, if it is open. Requests may be served meanwhile.
     *
     * @return what the flush failed with, which the VM's next one fails with too; or null
     */
    DiskException flushDisk() throws DiskException {
        DiskException failed = disk.flush();
        if (failed != null) {
            LOG.log(Level.ERROR, id + ": " + failed.getMessage());
            calls.run(() -> gate.owe(Errno.EIO));
            // before the disk is closed: an error of the close must not hide it
            recordDebt();
        }
        return failed;
    }

    /**
     * Keeps on record that a flush has failed of which no VM knows; a record that cannot be written is no reason to
     * stop here.
     */
    void recordDebt() {
        try {
            record.oweError(true);
        } catch (DiskException e) {
            LOG.log(Level.ERROR, id + ": a restart would not report the failed flush: " + e.getMessage());
        }
    }

    void parkByOperator() throws DiskException {
        DiskException failed = commands.forResult(operations.submit("being parked", () -> {
            if (life.why().kind() == Kind.OPERATOR) {
                return null;
            }
            DiskException flush = park(PARKED_BY_OPERATOR, services.limits().drain());
            record.park(true);
            LOG.log(Level.INFO, id + ": parked by an operator");
            return flush;
        }));
        if (failed != null) {
            throw new DiskException(Reason.IO, failed.getMessage() + "; it is parked, and the VM's next flush fails");
        }
    }

    void resumeByOperator() throws DiskException {
        commands.forResult(operations.submit("being resumed", () -> {
            record.park(false);
            if (life instanceof Life.Parked) {
                faults.retry();
                try {
                    opening.open();
                } catch (LockWait.ImageInUse e) {
                    return null;
                }
                faults.awaitRetry();
                LOG.log(Level.INFO, id + ": resumed by an operator");
            } else if (!(life instanceof Life.Running)) {
                throw new DiskException(
                        Reason.BUSY,
                        "attachment '" + id + "' is not parked: "
                                + life.state().name().toLowerCase(java.util.Locale.ROOT) + ", " + life.why());
            }
            return null;
        }));
    }

    boolean savesAtDetach() {
        return disk.savesAtDetach();
    }

    /** The attachment as commands show it. */
    AttachmentView view() {
        return view;
    }

    Life life() {
        return life;
    }
}
