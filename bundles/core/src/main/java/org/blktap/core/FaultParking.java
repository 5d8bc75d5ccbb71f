package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.core.gate.FailedRequests;
import org.blktap.core.gate.FaultPolicy;
import org.blktap.core.gate.FaultPolicy.Response;
import org.blktap.core.gate.Gate;

/**
 * Parks one attachment whose storage fails requests that its {@link FaultPolicy} holds, and has them tried again. The
 * disk stays open meanwhile. Methods are for operations of the attachment, except where noted.
 */
final class FaultParking {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final Attachment attachment;
    private final Records.Entry record;
    private final LoopCalls calls;
    private final Operations operations;
    private final CommandWait commands;
    private final Gate gate;
    private final AttachmentDisk disk;
    private final AutoResume autoResume;
    private volatile FaultPolicy policy;
    /** An operation that parks is queued. Loop only. */
    private boolean queued;

    FaultParking(Attachment attachment, AttachmentParts parts, FaultPolicy policy, AutoResume autoResume) {
        this.attachment = attachment;
        this.policy = policy;
        record = parts.record();
        calls = parts.calls();
        operations = parts.operations();
        commands = parts.commands();
        gate = parts.gate();
        disk = parts.disk();
        this.autoResume = autoResume;
    }

    /** Requests that were tried again have failed again. */
    static final class StillFailing extends DiskException {
        private static final long serialVersionUID = 1;

        StillFailing(String id, StateReason why) {
            super(why.kind() == Kind.NO_SPACE ? Reason.NO_SPACE : Reason.IO, "attachment '" + id + "': " + why);
        }
    }

    /** Any thread. */
    FaultPolicy policy() {
        return policy;
    }

    /** Whether it is parked because of failed requests. Any thread. */
    boolean isParked() {
        return attachment.life() instanceof Life.Parked parked && isFault(parked.why());
    }

    /** Whether this is why an attachment is parked. */
    static boolean isFault(StateReason why) {
        return why.kind() == Kind.NO_SPACE || why.kind() == Kind.IO_ERROR;
    }

    /** Whether it is parked, and its policy is that it resumes by itself. Any thread. */
    boolean resumesByItself() {
        return isParked() && policy.of(attachment.life().why().kind()) == Response.PARK_AUTO;
    }

    /** What it waits for. Any thread. */
    StateReason why() {
        FailedRequests.Failure last = gate.failed().last();
        Kind kind = last.kind();
        int held = gate.failed().count();
        String then = policy.of(kind) != Response.PARK_AUTO
                ? "; then: blktap resume " + attachment.id()
                : kind == Kind.NO_SPACE ? ", and it resumes by itself" : ", which is tried from time to time";
        return new StateReason(
                kind,
                last + "; " + held + (held == 1 ? " request waits" : " requests wait")
                        + (kind == Kind.NO_SPACE ? " for space" : " for the storage to work") + then);
    }

    // ---- parking

    /** The gate has closed, since a request has failed. Loop only. */
    void diskFailed() {
        if (!queued) {
            queued = true;
            operations.submit("being parked, since its storage fails", () -> {
                calls.run(() -> queued = false);
                park();
                return null;
            });
        }
    }

    /** Parks it, if the gate has closed because of a failure. */
    private void park() throws DiskException {
        // in other states, the operation that has led to them lets requests through again, and these fail then
        if (!(attachment.life() instanceof Life.Running)
                || !calls.ask(() -> gate.failed().halted())) {
            return;
        }
        attachment.quiesce(why(), null);
        StateReason why = why();
        attachment.to(new Life.Parked(why));
        LOG.log(Level.WARNING, attachment.id() + ": parked: " + why);
        autoResume.begin();
    }

    // ---- resuming

    /**
     * Tries again what is held while the attachment is parked because of it: if that succeeds, it may be opened.
     *
     * @throws StillFailing and it stays parked
     */
    void retry() throws DiskException {
        if (isParked() && disk.isOpen() && !calls.await(calls.ask(gate.failed()::retry), "requests tried again")) {
            StateReason why = why();
            attachment.to(new Life.Parked(why));
            autoResume.begin();
            throw new StillFailing(attachment.id(), why);
        }
    }

    /**
     * Waits until requests that the gate tries again since it was opened have ended.
     *
     * @throws StillFailing and it is parked
     */
    void awaitRetry() throws DiskException {
        if (!calls.await(calls.ask(gate.failed()::outcome), "requests tried again")) {
            park();
            throw new StillFailing(attachment.id(), why());
        }
    }

    // ---- what else concerns requests that are held

    /** @throws DiskException BUSY if any are held: only a forced detach answers them with errors. Any thread */
    void checkDetach() throws DiskException {
        int held = gate.failed().count();
        if (held > 0) {
            throw new DiskException(
                    Reason.BUSY,
                    "attachment '" + attachment.id() + "': " + held + (held == 1 ? " request waits" : " requests wait")
                            + " because the storage has failed: "
                            + gate.failed().last()
                            + "; resume it first, or detach --force answers with errors");
        }
    }

    /**
     * Changes the policy, and records it. Any thread but a loop; waits as commands do.
     *
     * @param values an empty value stands for the default
     */
    void set(Map<String, String> values) throws DiskException {
        commands.forResult(operations.submit("its options are being changed", () -> {
            Map<String, String> options =
                    new LinkedHashMap<>(attachment.request().options());
            for (Map.Entry<String, String> each : values.entrySet()) {
                if (!FaultPolicy.OPTIONS.contains(each.getKey())) {
                    throw new DiskException(
                            Reason.BAD_OPTION,
                            "option " + each.getKey() + " cannot be changed while it is attached; these can: "
                                    + String.join(", ", FaultPolicy.OPTIONS));
                }
                if (each.getValue().isEmpty()) {
                    options.remove(each.getKey());
                } else {
                    options.put(each.getKey(), each.getValue());
                }
            }
            FaultPolicy changed = FaultPolicy.of(options);
            AttachRequest request = attachment.request().withOptions(options);
            record.write(request, attachment.known());
            attachment.request(request);
            policy = changed;
            calls.run(() -> gate.failed().policy(changed));
            autoResume.begin();
            return null;
        }));
    }
}
