package org.blktap.core;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.core.gate.FaultPolicy;
import org.blktap.core.gate.Gate;

/** An attachment as commands show it, also while its loop does not answer. Any thread but a loop. */
final class AttachmentView {
    private static final long STUCK_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final Duration ANSWER = Duration.ofMillis(1500);

    private final Attachment attachment;
    private final LoopCalls calls;
    private final Operations operations;
    private final Gate gate;
    private final AttachmentNodes nodes;
    private final AttachmentDisk disk;
    private final Parks parks;
    private final AttachmentMetrics metrics;

    AttachmentView(Attachment attachment, AttachmentParts parts, Parks parks) {
        this.attachment = attachment;
        calls = parts.calls();
        operations = parts.operations();
        gate = parts.gate();
        nodes = parts.nodes();
        disk = parts.disk();
        this.parks = parks;
        metrics = new AttachmentMetrics(this, calls, gate, disk, parks);
    }

    /** Its figures for those who watch the daemon. */
    AttachmentMetrics metrics() {
        return metrics;
    }

    /** Asks what its nodes say, if its loop answers. */
    CompletableFuture<List<AttachmentStatus.Node>> nodeStatus() {
        return attachment.life().ending() || calls.blockedNanos() > 0
                ? CompletableFuture.completedFuture(null)
                : nodes.status();
    }

    /** @param nodeStatus null to show the last known */
    AttachmentStatus status(List<AttachmentStatus.Node> nodeStatus) {
        DiskInfo info = disk.info();
        Life now = attachment.life();
        if (operations.closed() && !now.ending()) {
            // detaching waits for an operation that does not return
            now = new Life.Detaching("waiting while it is " + operations.running());
        }
        return new AttachmentStatus(
                attachment.id(),
                attachment.request().spec().toString(),
                now.state(),
                shownReason(now),
                info.sizeBytes(),
                info.blockSize(),
                attachment.request().readOnly() || info.readOnly(),
                disk.engineName(),
                nodeStatus == null ? nodes.lastStatus() : nodeStatus,
                attachment.request().options(),
                details(info, attachment.faults().policy()),
                attachment.request().filters());
    }

    private static Map<String, String> details(DiskInfo info, FaultPolicy policy) {
        Map<String, String> details = new LinkedHashMap<>(policy.options());
        details.putAll(info.details());
        if (info.backing() != null) {
            details.put(AttachmentStatus.BACKING, info.backing().toString());
        }
        return details;
    }

    private StateReason shownReason(Life now) {
        String why = now.why().isEmpty() ? "" : "; " + now.why();
        long blocked = now instanceof Life.Detached ? 0 : calls.blockedNanos();
        if (blocked > 0) {
            return new StateReason(Kind.NOT_RESPONDING, "not responding since " + Clock.ago(blocked) + why);
        }
        long stuck = gate.stuckNanos();
        if (stuck > STUCK_NANOS) {
            return new StateReason(
                    Kind.REQUESTS_STUCK,
                    "none of " + gate.inFlight() + " requests in flight has ended since " + Clock.ago(stuck) + why);
        }
        // with the number of requests that wait at this moment
        return FaultParking.isFault(now.why()) ? attachment.faults().why() : now.why();
    }

    DiskInfo disk() {
        return disk.info();
    }

    AttachmentStats stats() throws DiskException {
        try {
            return calls.await(
                    calls.start(() -> new AttachmentStats(
                            attachment.id(),
                            gate.inFlight(),
                            parks.count(),
                            parks.millis(),
                            gate.statistics().snapshot(),
                            disk.filters().stats())),
                    "its statistics",
                    ANSWER);
        } catch (TimeoutException e) {
            throw new DiskException(Reason.IO, "attachment '" + attachment.id() + "' does not respond");
        }
    }
}
