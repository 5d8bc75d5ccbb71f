package org.blktap.shell.command;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.blktap.api.command.Screen;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.shell.TextTable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "watch",
        summary = "Shows all attachments with their load, again and again, until Ctrl-C.",
        operands = "[ID...]")
@Command(
        description = {
            "State, operations and bytes a second, mean latency, requests in flight; at a terminal one screen that is drawn again, busiest first.",
            "Where the output is no terminal, a line for each attachment and interval."
        },
        footer = {"", "Examples:", "  watch", "  watch vm-root vm-data --interval 1", "  watch --count 1"})
public final class Watch extends TapCommand {
    /** Moves to the upper left corner. */
    private static final String HOME = "\u001b[H";
    /** Clears the screen, before the first picture. */
    private static final String CLEAR = "\u001b[2J";
    /** Clears the rest of the line, and of the screen. */
    private static final String CLEAR_LINE = "\u001b[K";

    private static final String CLEAR_REST = "\u001b[J";
    /** Number of rows besides those of attachments: the title, the heading, and one for the cursor. */
    private static final int OTHER_ROWS = 3;

    @Parameters(description = "Only these.")
    List<String> ids = List.of();

    @Option(names = "--interval", paramLabel = "SECONDS", description = "2 if left out.")
    double interval = 2;

    @Option(names = "--count", paramLabel = "N", description = "Ends after so many intervals.")
    int count = Integer.MAX_VALUE;

    private final RateMeter meter = new RateMeter();

    @Override
    void run(PrintWriter out) throws Exception {
        Duration every = Intervals.of(interval);
        for (String id : ids) {
            here.attachments().status(id);
        }
        Screen screen = call.screen();
        meter.measure(stats(list()));
        long next = System.nanoTime();
        for (int i = 0; i < count; i++) {
            // the first picture comes soon
            next += i == 0 ? Math.min(every.toNanos(), 500_000_000) : every.toNanos();
            if (!Intervals.awaits(call, next)) {
                return;
            }
            List<AttachmentStatus> list = list();
            Map<String, Rates> rates = new HashMap<>();
            meter.measure(stats(list)).forEach(each -> rates.put(each.id(), each));
            if (screen == null) {
                lines(out, list, rates);
            } else {
                out.print((i == 0 ? HOME + CLEAR : "") + picture(screen, list, rates, every));
            }
            out.flush();
        }
    }

    private List<AttachmentStatus> list() throws DiskException {
        List<AttachmentStatus> all = here.attachments().list();
        return ids.isEmpty()
                ? all
                : all.stream().filter(each -> ids.contains(each.id())).toList();
    }

    /** Returns the counters of attachments that answer. */
    private List<AttachmentStats> stats(List<AttachmentStatus> list) throws DiskException {
        List<AttachmentStats> stats = new ArrayList<>();
        for (AttachmentStatus each : list) {
            if (each.reason().kind() == Kind.NOT_RESPONDING || each.state() == State.DETACHING) {
                continue;
            }
            try {
                stats.add(here.attachments().stats(each.id()));
            } catch (DiskException e) {
                // it has ended, or stopped answering, since the list was made; the next picture shows that
                continue;
            }
        }
        return stats;
    }

    private static Object[] row(AttachmentStatus status, Rates rates) {
        String state = status.state().name().toLowerCase(Locale.ROOT);
        String why = status.reason().text();
        if (rates == null) {
            return new Object[] {status.id(), state, "-", "-", "-", "-", "-", why};
        }
        Rates.Rate all = rates.total();
        return new Object[] {
            status.id(),
            state,
            RateLog.number(all.perSecond()),
            TextTable.size((long) rates.of("read").bytesPerSecond()),
            TextTable.size((long) rates.of("write").bytesPerSecond()),
            RateLog.number(all.mean()),
            rates.inFlight(),
            why + (all.errors() == 0 ? "" : (why.isEmpty() ? "" : "; ") + all.errors() + " errors")
        };
    }

    /** Returns one screen. Attachments that do not fit are counted, and each line is cut at the right edge. */
    private static String picture(
            Screen screen, List<AttachmentStatus> list, Map<String, Rates> rates, Duration every) {
        List<AttachmentStatus> sorted = new ArrayList<>(list);
        sorted.sort((a, b) -> {
            int running = Boolean.compare(a.state() == State.RUNNING, b.state() == State.RUNNING);
            return running != 0 ? running : Double.compare(load(rates.get(b.id())), load(rates.get(a.id())));
        });
        int room = Math.max(1, screen.rows() - OTHER_ROWS);
        long parked = list.stream().filter(each -> each.state() == State.PARKED).count();
        StringWriter text = new StringWriter();
        PrintWriter writer = new PrintWriter(text);
        writer.println(time() + "  " + list.size() + (list.size() == 1 ? " attachment, " : " attachments, ") + parked
                + " parked"
                + (sorted.size() > room ? ", the first " + room + " of them" : "") + "; every "
                + RateLog.number(every.toMillis() / 1000.0) + " s, Ctrl-C ends");
        TextTable table = new TextTable("ID", "STATE", "OPS/s", "READ/s", "WRITE/s", "MEAN µs", "IN FLIGHT", "WHY");
        sorted.stream().limit(room).forEach(each -> table.row(row(each, rates.get(each.id()))));
        table.print(writer);
        writer.flush();
        StringBuilder shown = new StringBuilder(HOME);
        text.toString()
                .lines()
                .forEach(line -> shown.append(line, 0, Math.min(line.length(), screen.columns()))
                        .append(CLEAR_LINE)
                        .append("\n"));
        return shown.append(CLEAR_REST).toString();
    }

    private static double load(Rates rates) {
        return rates == null ? 0 : rates.total().perSecond();
    }

    private static void lines(PrintWriter out, List<AttachmentStatus> list, Map<String, Rates> rates) {
        String time = time();
        for (AttachmentStatus each : list) {
            Object[] row = row(each, rates.get(each.id()));
            String line = String.format(
                    "%s %s %s %s ops/s, read %s/s, write %s/s, mean %s µs, %s in flight%s",
                    time,
                    row[0],
                    row[1],
                    row[2],
                    row[3],
                    row[4],
                    row[5],
                    row[6],
                    row[7].toString().isEmpty() ? "" : ": " + row[7]);
            out.println(line.replaceAll("\\p{Cntrl}", "?"));
        }
    }

    private static String time() {
        return LocalTime.now().truncatedTo(ChronoUnit.SECONDS).toString();
    }
}
