package org.blktap.shell.command;

import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.DiskException;
import org.blktap.shell.Json;
import org.blktap.shell.Readiness;
import org.blktap.shell.launch.LaunchOptions;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Option;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "status", summary = "Shows the daemon's state; exit status 0 once it is ready.")
public final class Status extends TapCommand {
    @Option(names = "--json", description = "For scripts: an object.")
    boolean json;

    @Override
    void run(PrintWriter out) throws Exception {
        if (!Readiness.reached(here.bundles(), here.attachments())) {
            throw new DiskException(DiskException.Reason.BUSY, "the daemon is starting");
        }
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("version", Verbs.version());
        all.put("instance", LaunchOptions.instance().shownName());
        all.put("pid", ProcessHandle.current().pid());
        Instant start = ProcessHandle.current().info().startInstant().orElse(Instant.now());
        all.put("uptimeSeconds", Duration.between(start, Instant.now()).toSeconds());
        var attachments = here.attachments().list();
        all.put("attachments", attachments.size());
        all.put(
                "parked",
                attachments.stream().filter(a -> a.state() == State.PARKED).count());
        all.put(
                "drivers",
                here.attachments().drivers().stream().map(d -> d.name()).toList());
        all.put("nodes", here.attachments().nodes().stream().map(n -> n.name()).toList());
        all.put(
                "engines",
                here.attachments().engines().stream().map(n -> n.name()).toList());
        all.put("java", LaunchOptions.javaVersion());
        if (json) {
            out.println(Json.of(all));
        } else {
            all.forEach((key, value) -> out.printf(
                    "%-14s %s%n",
                    key,
                    value instanceof List<?> list
                            ? String.join(
                                    " ", list.stream().map(Object::toString).toList())
                            : value));
        }
    }
}
