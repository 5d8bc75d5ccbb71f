package org.blktap.core;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.event.Event;
import org.blktap.core.gate.ErrorReport;

/**
 * The events of one attachment: each time that its VM begins to wait for more than a change that is under way, and each
 * time that it is served again. Thread-safe.
 */
final class StateEvents {
    /** Reasons of pauses that end by themselves within the operation that made them. */
    private static final Set<Kind> PAUSES = EnumSet.of(
            Kind.NODE_CHANGE,
            Kind.FILTER_CHANGE,
            Kind.RESIZING,
            Kind.IMAGE_CHANGE,
            Kind.MEDIUM_CHANGE,
            Kind.SAVING,
            Kind.DETACHING);

    private final String id;
    private final Announcements announcements;
    /** Whether there is an attachment, and not one that may still be refused. */
    private boolean attached;
    /** Whether the VM waits, as far as events say. */
    private boolean waiting;

    private StateReason told = StateReason.NONE;
    private final long made = System.nanoTime();
    /** When the VM began to wait, {@link System#nanoTime}. */
    private long since = made;

    /** @param restored whether an earlier life of the daemon had it: its VM waits since then */
    StateEvents(String id, boolean restored, Announcements announcements) {
        this.id = id;
        this.announcements = announcements;
        attached = restored;
        waiting = restored;
    }

    /** It is attached, and on record. */
    synchronized void attached(AttachRequest request, Life now) {
        attached = true;
        waiting = !(now instanceof Life.Running);
        announcements.publish(
                Event.ATTACHED,
                id,
                request.spec()
                        + (request.readOnly() ? ", read-only" : "")
                        + (now.why().isEmpty() ? "" : ": " + now.why()),
                Map.of("spec", request.spec().toString(), "readOnly", request.readOnly()));
    }

    /** It has gone to another state. */
    synchronized void at(Life now, AttachRequest request) {
        if (!attached) {
            return;
        }
        if (now instanceof Life.Parked parked && !PAUSES.contains(parked.why().kind())) {
            parked(parked.why());
        } else if (now instanceof Life.Running && waiting) {
            waiting = false;
            told = StateReason.NONE;
            long waited = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - since);
            announcements.publish(Event.RESUMED, id, "running on " + request.spec(), Map.of("waitedMillis", waited));
        }
    }

    private void parked(StateReason why) {
        if (!waiting) {
            since = System.nanoTime();
        }
        waiting = true;
        if (!why.equals(told)) {
            told = why;
            announcements.publish(
                    Event.PARKED,
                    id,
                    why.text(),
                    Map.of("reason", why.kind().name().toLowerCase(Locale.ROOT)));
        }
    }

    /** It has been detached, and nothing is left of it. */
    synchronized void detached() {
        if (attached) {
            attached = false;
            announcements.publish(Event.DETACHED, id, "detached", Map.of());
        }
    }

    /** Requests fail. Loop only. */
    void errors(ErrorReport report) {
        announcements.publish(
                Event.ERRORS,
                id,
                report.text(),
                Map.of(
                        "operation", report.operation().name().toLowerCase(Locale.ROOT),
                        "errno", report.errno(),
                        "refused", report.refused(),
                        "series", report.stage().name().toLowerCase(Locale.ROOT),
                        "count", report.count(),
                        "offset", report.offset()));
    }
}
