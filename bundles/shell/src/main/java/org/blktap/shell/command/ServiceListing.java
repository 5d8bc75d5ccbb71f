package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.List;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.ServiceStatus;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;
import picocli.CommandLine.Option;

/** Base class of the lists of drivers and of nodes. */
abstract class ServiceListing extends TapCommand {
    private final String heading;

    @Option(names = "--json", description = "For scripts: an array of objects.")
    boolean json;

    ServiceListing(String heading) {
        this.heading = heading;
    }

    abstract List<ServiceStatus> all(Attachments attachments);

    @Override
    final void run(PrintWriter out) throws Exception {
        List<ServiceStatus> all = all(here.attachments());
        if (json) {
            out.println(Json.of(all));
            return;
        }
        boolean summaries = all.stream().anyMatch(each -> !each.summary().isEmpty());
        TextTable table = summaries ? new TextTable(heading, "BUNDLE", "WHAT IT IS") : new TextTable(heading, "BUNDLE");
        all.forEach(each -> table.row(each.name(), each.bundle(), each.summary()));
        table.print(out);
    }
}
