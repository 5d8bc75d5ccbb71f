package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachmentStats;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "stats",
        summary = "Counts and latencies (microseconds) of one attachment, or of all.",
        operands = "[ID]")
@Command(
        description = {
            "With --interval, what has happened in each so many seconds: operations and bytes a second, and the mean latency of those that have ended in the interval."
        },
        footer = {
            "",
            "Examples:",
            "  stats",
            "  stats vm-root --json",
            "  stats --interval 1",
            "  stats vm-root --interval 5 --count 12"
        })
public final class Stats extends TapCommand {
    @Parameters
    String id;

    @Option(names = "--json", description = "For scripts: an object, or an array for all.")
    boolean json;

    @Option(
            names = "--interval",
            paramLabel = "SECONDS",
            description = "Shows rates, again and again, until Ctrl-C; with --json an object in each line.")
    Double interval;

    @Option(names = "--count", paramLabel = "N", description = "With --interval: ends after so many intervals.")
    int count = Integer.MAX_VALUE;

    @Override
    void run(PrintWriter out) throws Exception {
        if (interval != null) {
            new RateLog(call, id, json).run(Intervals.of(interval), count);
            return;
        }
        List<AttachmentStats> all = id == null
                ? here.attachments().stats()
                : List.of(here.attachments().stats(id));
        if (json) {
            out.println(Json.of(id == null ? all : all.get(0)));
            return;
        }
        TextTable table =
                new TextTable("ID", "OPERATION", "COUNT", "BYTES", "ERRORS", "MEAN µs", "P50 µs", "P99 µs", "MAX µs");
        for (AttachmentStats stats : all) {
            stats.operations()
                    .forEach((operation, c) -> table.row(
                            stats.id(),
                            operation,
                            c.count(),
                            TextTable.size(c.bytes()),
                            c.errors(),
                            micros(c.latency().mean()),
                            micros(c.latency().p50()),
                            micros(c.latency().p99()),
                            micros(c.latency().max())));
        }
        table.print(out);
        all.forEach(stats -> {
            out.printf(
                    "%s: %d in flight; parked %d times, %d ms in all%n",
                    stats.id(), stats.inFlight(), stats.parks(), stats.parkedMillis());
            stats.filters()
                    .forEach(each -> out.printf("%s: %s: %s%n", stats.id(), each.type(), Filter.text(each.values())));
        });
    }

    private static String micros(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.0f", value) : "-";
    }
}
