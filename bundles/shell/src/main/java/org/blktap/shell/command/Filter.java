package org.blktap.shell.command;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachmentStats.FilterStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.Options;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "filter",
        summary = "Adds, sets, removes or lists the filters of an attachment while its VM uses it.",
        operands = {"ACTION=TEXT", "ID", "[FILTER=FILTER|FILTERED]", "[SETTING=TEXT...]"},
        values = "--below=FILTERED")
@Command(
        description = {
            "The disk stays open. The VM sees a pause, whose length is printed, or none if a filter is set in place.",
            "A filter that changes what the disk contains, such as encryption, is there from the attach on."
        },
        footer = {
            "",
            "Examples:",
            "  filter add root throttle,iops=2000",
            "  filter add root trace --below throttle",
            "  filter set root throttle iops=4000 iops-burst=",
            "  filter remove root throttle",
            "  filter list root"
        })
public final class Filter extends TapCommand {
    /** The actions; their names are the words of the command line. */
    enum Action {
        add,
        set,
        remove,
        list
    }

    @Parameters(index = "0", description = "add, set, remove or list")
    Action action;

    @Parameters(index = "1")
    String id;

    @Parameters(index = "2", description = "To add: type[,key=value...]. To set or remove: the type.")
    String filter;

    @Parameters(index = "3..*", description = "To set: key=value; key= takes an option back.")
    List<String> settings = new ArrayList<>();

    @Option(
            names = "--below",
            paramLabel = "TYPE",
            description =
                    "Adds it below the filter of this type, on the side of the disk. Otherwise it comes above all.")
    String below;

    @Option(names = "--json", description = "For scripts: an array of the filters, or the length of the pause.")
    boolean json;

    /** How long requests waited. */
    record Change(long pausedMicros) {}

    /**
     * A filter as it is listed.
     *
     * @param values reported by the filter; empty while the disk is closed
     */
    record Listed(String type, String spec, Map<String, ?> values) {}

    @Override
    void run(PrintWriter out) throws Exception {
        if (action == Action.list) {
            allow(filter == null && settings.isEmpty() && below == null, "list takes the attachment only");
            list(out);
            return;
        }
        allow(filter != null, "FILTER is missing: give " + (action == Action.add ? "type[,key=value...]" : "its type"));
        allow(action == Action.add || below == null, "--below is for add");
        allow(
                (action == Action.set) == !settings.isEmpty(),
                action == Action.set ? "SETTING is missing: give key=value" : settings + ": only set takes settings");
        Duration pause = switch (action) {
            case add -> here.attachments().addFilter(id, filter, below);
            case set -> here.attachments().setFilter(id, filter, Options.pairs(settings));
            default -> here.attachments().removeFilter(id, filter);
        };
        if (json) {
            out.println(Json.of(new Change(pause.toNanos() / 1000)));
        } else if (here.attachments().status(id).state() == State.PARKED) {
            out.println("recorded; in force when it is resumed");
        } else {
            out.println(
                    pause.isZero()
                            ? "set without a pause"
                            : "paused " + pause.plusNanos(500_000).toMillis() + " ms");
        }
    }

    private static void allow(boolean right, String wrong) throws Verbs.UsageException {
        if (!right) {
            throw new Verbs.UsageException(wrong);
        }
    }

    private void list(PrintWriter out) throws Exception {
        AttachmentStatus status = here.attachments().status(id);
        Map<String, Map<String, ?>> reported = new LinkedHashMap<>();
        for (FilterStats each : here.attachments().stats(id).filters()) {
            reported.put(each.type(), each.values());
        }
        List<Listed> all = status.filters().stream()
                .map(spec ->
                        new Listed(Options.nameIn(spec), spec, reported.getOrDefault(Options.nameIn(spec), Map.of())))
                .toList();
        if (json) {
            out.println(Json.of(all));
            return;
        }
        TextTable table = new TextTable("FILTER", "OPTIONS", "REPORTS");
        // in the order in which a request passes them
        for (int i = all.size() - 1; i >= 0; i--) {
            String spec = all.get(i).spec();
            String type = all.get(i).type();
            table.row(
                    type,
                    spec.equals(type) ? "-" : spec.substring(type.length() + 1),
                    text(all.get(i).values()));
        }
        table.print(out);
    }

    /** Returns the values that a filter reports, in one line. */
    static String text(Map<String, ?> values) {
        return values.entrySet().stream()
                .map(each -> each.getKey() + " " + each.getValue())
                .collect(Collectors.joining(", "));
    }
}
