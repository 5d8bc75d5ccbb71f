package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.Attachments.ServiceStatus;
import org.blktap.deploy.ComponentDiagnosis;
import org.blktap.deploy.Contribution;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "engines", summary = "Lists the I/O engines, the default first, and why one is absent.")
@Command(description = "Disks whose type and options name no engine use the default.")
public final class Engines extends TapCommand {
    @Option(names = "--json", description = "For scripts: an array of objects.")
    boolean json;

    /**
     * An engine that is installed.
     *
     * @param state {@code default}, {@code present} or {@code absent}
     * @param reason why the engine is absent; else empty
     */
    record EngineStatus(String name, String summary, String bundle, String state, String reason) {}

    @Override
    void run(PrintWriter out) throws Exception {
        List<EngineStatus> all = present(here.attachments().engines());
        absent(all);
        if (json) {
            out.println(Json.of(all));
            return;
        }
        boolean reasons = all.stream().anyMatch(each -> !each.reason().isEmpty());
        TextTable table = reasons
                ? new TextTable("ENGINE", "STATE", "BUNDLE", "WHAT IT IS", "WHY ABSENT")
                : new TextTable("ENGINE", "STATE", "BUNDLE", "WHAT IT IS");
        all.forEach(each -> table.row(each.name(), each.state(), each.bundle(), each.summary(), each.reason()));
        table.print(out);
    }

    private static List<EngineStatus> present(List<ServiceStatus> engines) {
        List<EngineStatus> all = new ArrayList<>();
        for (ServiceStatus each : engines) {
            all.add(new EngineStatus(
                    each.name(), each.summary(), each.bundle(), all.isEmpty() ? "default" : "present", ""));
        }
        return all;
    }

    private void absent(List<EngineStatus> all) {
        if (here.bundles() == null) {
            return;
        }
        ComponentDiagnosis diagnosis = new ComponentDiagnosis(here.bundles(), here.components());
        Set<String> known = new HashSet<>();
        all.forEach(each -> known.add(each.name()));
        for (Contribution each : Contribution.ofAll(here.bundles())) {
            ComponentDiagnosis.Finding absence = each.kind() != Contribution.Kind.ENGINE || known.contains(each.name())
                    ? null
                    : diagnosis.absence(each);
            if (absence != null) {
                all.add(new EngineStatus(
                        each.name(),
                        each.summary(),
                        each.bundle().getSymbolicName() + " " + each.bundle().getVersion(),
                        "absent",
                        absence.why()));
            }
        }
    }
}
