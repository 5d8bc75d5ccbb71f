package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Locale;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Option;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "list", summary = "Lists the attachments.")
public final class ListAll extends TapCommand {
    @Option(names = "--json", description = "For scripts: an array of objects.")
    boolean json;

    @Override
    void run(PrintWriter out) throws Exception {
        var list = here.attachments().list();
        if (json) {
            out.println(Json.of(list));
            return;
        }
        boolean reasons = list.stream().anyMatch(each -> !each.reason().isEmpty());
        TextTable table = reasons
                ? new TextTable("ID", "STATE", "SIZE", "ACCESS", "SPEC", "NODES", "WHY")
                : new TextTable("ID", "STATE", "SIZE", "ACCESS", "SPEC", "NODES");
        for (AttachmentStatus each : list) {
            table.row(
                    each.id(),
                    each.state().name().toLowerCase(Locale.ROOT),
                    TextTable.size(each.sizeBytes()),
                    each.readOnly() ? "read-only" : "read-write",
                    each.spec(),
                    String.join(
                            " ",
                            each.nodes().stream()
                                    .map(AttachmentStatus.Node::kind)
                                    .toList()),
                    each.reason().text());
        }
        table.print(out);
    }
}
