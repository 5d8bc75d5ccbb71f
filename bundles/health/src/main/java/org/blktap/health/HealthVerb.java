package org.blktap.health;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.health.Health;
import org.blktap.api.health.HealthReport;
import org.blktap.api.health.HealthReport.Check;
import org.blktap.api.health.HealthReport.Status;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The verb {@code health}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "health",
        summary = "Checks whether the daemon and its disks are well; the exit status says it.")
@Command(
        description = {
            "Exit status: 0 all is well; 3 an operator should look, VMs are served; 1 a VM or the daemon is not served, or soon will not be, or no daemon answers."
        },
        footer = {"", "Examples:", "  health", "  health --json"})
public final class HealthVerb implements Verb {
    private static final int CRITICAL = 1;
    private static final int WARN = 3;

    @Reference
    Health health;

    @Option(names = "--json", description = "For scripts: an object.")
    boolean json;

    @Override
    public int run(Call call) {
        HealthReport report = health.check();
        if (json) {
            call.json(object(report));
        } else {
            List<List<?>> rows = new ArrayList<>();
            for (Check each : report.checks()) {
                for (int i = 0; i < each.messages().size(); i++) {
                    rows.add(List.of(
                            i == 0 ? each.name() : "",
                            i == 0 ? text(each.status()) : "",
                            each.messages().get(i)));
                }
            }
            call.table(List.of("CHECK", "STATUS", "WHAT"), rows);
        }
        return switch (report.status()) {
            case OK -> 0;
            case WARN -> WARN;
            case CRITICAL -> CRITICAL;
        };
    }

    private static String text(Status status) {
        return status.name().toLowerCase(Locale.ROOT);
    }

    private static Map<String, Object> object(HealthReport report) {
        List<Map<String, Object>> checks = new ArrayList<>();
        for (Check each : report.checks()) {
            Map<String, Object> check = new LinkedHashMap<>();
            check.put("name", each.name());
            check.put("status", text(each.status()));
            check.put("messages", each.messages());
            check.put("millis", each.millis());
            checks.add(check);
        }
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("status", text(report.status()));
        object.put("checks", checks);
        return object;
    }
}
