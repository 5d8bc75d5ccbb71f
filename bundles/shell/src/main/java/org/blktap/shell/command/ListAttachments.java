package org.blktap.shell.command;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;
import org.blktap.shell.instance.Instances;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "list", summary = "Lists the attachments.", runs = Where.ANYWHERE)
@Command(
        footer = {
            "",
            "With --all, the exit status is 1 if an instance does not answer; the others are listed all the same."
        })
public final class ListAttachments extends TapCommand {
    private static final String INSTANCE = "instance";

    @Option(names = "--json", description = "For scripts: an array of objects.")
    boolean json;

    @Option(
            names = "--all",
            description = "Those of all instances of the daemon on this host, and of disks with their own processes.")
    boolean all;

    private int status;

    @Override
    int status() {
        return status;
    }

    @Override
    void run(PrintWriter out) throws Exception {
        boolean isDaemon = here.bundles() != null || here.attachmentsNow().get() != null;
        if (all) {
            listAll(out, isDaemon);
        } else if (!isDaemon) {
            status = Verbs.NEEDS_DAEMON;
        } else if (json) {
            out.println(Json.of(here.attachments().list()));
        } else {
            show(out, here.attachments().list().stream().map(Row::of).toList());
        }
    }

    private void listAll(PrintWriter out, boolean isDaemon) throws Exception {
        Instances instances = Instances.known();
        List<Instances.Answer> answers = new ArrayList<>();
        if (isDaemon) {
            JsonArray own = Json.tree(here.attachments().list()).getAsJsonArray();
            answers.add(new Instances.Answer(instances.self().shownName(), own, null));
        }
        answers.addAll(instances.ask(!isDaemon || !instances.self().isDefault()));
        JsonArray disks = new JsonArray();
        for (Instances.Answer each : answers) {
            if (each.problem() != null) {
                call.err().println("blktap: the instance " + each.instance() + " " + each.problem());
                status = 1;
                continue;
            }
            for (JsonElement disk : each.disks()) {
                JsonObject shown = new JsonObject();
                shown.addProperty(INSTANCE, each.instance());
                disk.getAsJsonObject().entrySet().forEach(value -> shown.add(value.getKey(), value.getValue()));
                disks.add(shown);
            }
        }
        if (json) {
            out.println(Json.of(disks));
        } else {
            List<Row> rows = new ArrayList<>();
            disks.forEach(each -> rows.add(Row.of(each.getAsJsonObject())));
            show(out, rows);
        }
    }

    /** One attachment; the instance is null if only one instance is asked. */
    private record Row(
            String instance,
            String id,
            String state,
            long size,
            boolean readOnly,
            String spec,
            String nodes,
            String why) {
        static Row of(AttachmentStatus each) {
            return new Row(
                    null,
                    each.id(),
                    each.state().name().toLowerCase(Locale.ROOT),
                    each.sizeBytes(),
                    each.readOnly(),
                    each.spec(),
                    String.join(
                            " ",
                            each.nodes().stream()
                                    .map(AttachmentStatus.Node::kind)
                                    .toList()),
                    each.reason().isEmpty() ? "" : each.reason().text());
        }

        /** Reads an attachment of another instance, which may have another version. */
        static Row of(JsonObject each) {
            List<String> kinds = new ArrayList<>();
            each.getAsJsonArray("nodes").forEach(node -> kinds.add(text(node.getAsJsonObject(), "kind")));
            JsonElement reason = each.get("reason");
            return new Row(
                    text(each, INSTANCE),
                    text(each, "id"),
                    text(each, "state"),
                    each.get("sizeBytes").getAsLong(),
                    each.get("readOnly").getAsBoolean(),
                    text(each, "spec"),
                    String.join(" ", kinds),
                    reason != null && reason.isJsonObject() ? text(reason.getAsJsonObject(), "text") : "");
        }

        private static String text(JsonObject of, String key) {
            JsonElement value = of.get(key);
            return value == null || value.isJsonNull() ? "" : value.getAsString();
        }
    }

    private void show(PrintWriter out, List<Row> rows) {
        List<String> heading = new ArrayList<>(List.of("ID", "STATE", "SIZE", "ACCESS", "SPEC", "NODES"));
        if (all) {
            heading.add(0, "INSTANCE");
        }
        if (rows.stream().anyMatch(each -> !each.why.isEmpty())) {
            heading.add("WHY");
        }
        TextTable table = new TextTable(heading.toArray(String[]::new));
        for (Row each : rows) {
            List<Object> cells = new ArrayList<>(List.of(
                    each.id,
                    each.state,
                    TextTable.size(each.size),
                    each.readOnly ? "read-only" : "read-write",
                    each.spec,
                    each.nodes,
                    each.why));
            if (all) {
                cells.add(0, each.instance);
            }
            table.row(cells.toArray());
        }
        table.print(out);
    }
}
