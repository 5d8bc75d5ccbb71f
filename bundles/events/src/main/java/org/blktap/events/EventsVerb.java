package org.blktap.events;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Printable;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The verb {@code events}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "events",
        summary = "Shows what has happened: disks attached, parked, resumed, errors, jobs, deploys, clients.",
        operands = "[ID]")
@Command(
        description = {
            "With an attachment, or the name of a bundle, only what happened to it.",
            "Each event has a number. A program that was away continues with --after NUMBER; the kind gap says which events are not kept any more."
        },
        footer = {
            "",
            "Examples:",
            "  events",
            "  events --follow",
            "  events --follow --json --after 1234",
            "  events vm-root --last 20"
        })
public final class EventsVerb implements Verb {
    private static final int BATCH = 256;
    /** Number of events that --follow shows first, as tail does. */
    private static final int FOLLOWED = 10;
    /** Interval of looks whether the caller has gone. */
    private static final Duration LOOK = Duration.ofMillis(250);

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS").withZone(ZoneId.systemDefault());

    @Reference
    Events events;

    @Parameters(description = "What it happened to: an attachment, or a bundle.")
    String id;

    @Option(names = "--follow", description = "Waits for more, until Ctrl-C.")
    boolean follow;

    @Option(names = "--after", paramLabel = "NUMBER", description = "Begins after this event; 0 for the first of all.")
    Long after;

    @Option(
            names = "--last",
            paramLabel = "COUNT",
            description = "Begins so many events before the end; with --follow 10, if left out.")
    Integer last;

    @Option(names = "--json", description = "For scripts: an object in each line.")
    boolean json;

    @Override
    public int run(Call call) throws Exception {
        if (after != null && last != null) {
            throw new DiskException(Reason.BAD_OPTION, "--after and --last exclude each other");
        }
        if (after != null && after < 0 || last != null && last < 0) {
            throw new DiskException(Reason.BAD_OPTION, "--after and --last take a number that is not negative");
        }
        try {
            show(call);
            return 0;
        } catch (IllegalStateException e) {
            throw new DiskException(Reason.NOT_FOUND, "the history of events has ended: its bundle was stopped", e);
        }
    }

    private void show(Call call) throws InterruptedException {
        long end = events.last();
        long at = after != null ? after : begin(end);
        boolean more = true;
        while (more && !call.cancelled()) {
            List<Event> found = events.read(at, BATCH, follow ? LOOK : Duration.ZERO);
            for (Event each : found) {
                if (follow || each.sequence() <= end) {
                    print(call, each);
                }
                at = each.sequence();
            }
            call.out().flush();
            more = follow || !found.isEmpty() && at < end;
        }
    }

    /** Returns the number after which to begin. */
    private long begin(long end) throws InterruptedException {
        int count = last != null ? last : follow ? FOLLOWED : Integer.MAX_VALUE;
        if (count == Integer.MAX_VALUE || end == 0) {
            return -1;
        }
        if (count == 0) {
            return end;
        }
        // numbers have gaps, and other attachments' events count only if all are shown
        List<Event> all = events.read(-1, Integer.MAX_VALUE, Duration.ZERO);
        List<Event> own = all.stream().filter(this::concerns).toList();
        return own.size() <= count ? -1 : own.get(own.size() - count).sequence() - 1;
    }

    private boolean concerns(Event event) {
        return id == null || id.equals(event.subject());
    }

    private void print(Call call, Event event) {
        if (!concerns(event) && !event.kind().equals(Event.GAP) && !event.kind().equals(Event.LOST)) {
            return;
        }
        if (json) {
            call.jsonLine(event);
        } else {
            call.out()
                    .printf(
                            "%-6d %s  %-12s %-16s %s%n",
                            event.sequence(),
                            TIME.format(Instant.ofEpochMilli(event.timeMillis())),
                            event.kind(),
                            event.subject().isEmpty() ? "-" : Printable.of(event.subject()),
                            Printable.of(event.text()));
        }
    }
}
