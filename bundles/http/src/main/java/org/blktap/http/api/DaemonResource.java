package org.blktap.http.api;

import com.google.gson.JsonObject;
import java.time.Duration;
import java.time.Instant;
import java.util.function.Supplier;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.ServiceStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.deploy.DaemonDiagnosis;
import org.blktap.http.HttpLimits;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/** The daemon as a whole: {@code /daemon} and {@code /diag}. */
final class DaemonResource {
    private final BundleContext context;
    private final ServiceComponentRuntime components;
    private final HttpLimits http;
    private final Supplier<Attachments> attachments;

    DaemonResource(
            BundleContext context,
            ServiceComponentRuntime components,
            HttpLimits http,
            Supplier<Attachments> attachments) {
        this.context = context;
        this.components = components;
        this.http = http;
        this.attachments = attachments;
    }

    void addTo(Router router) {
        router.add("GET", "/daemon", ask -> daemon());
        router.add("GET", "/diag", this::diag);
    }

    private Reply daemon() throws ProblemException {
        Attachments core = Present.in(attachments, "the core");
        JsonObject object = new JsonObject();
        // the version of the platform; this bundle may have another
        object.addProperty(
                "version",
                FrameworkUtil.getBundle(Attachments.class)
                        .getVersion()
                        .toString()
                        .replace(".SNAPSHOT", "-SNAPSHOT"));
        object.addProperty("pid", ProcessHandle.current().pid());
        Instant start = ProcessHandle.current().info().startInstant().orElse(Instant.now());
        object.addProperty(
                "uptimeSeconds", Duration.between(start, Instant.now()).toSeconds());
        object.addProperty("java", Runtime.version().toString());
        object.add(
                "drivers",
                AttachmentJson.texts(
                        core.drivers().stream().map(ServiceStatus::name).toList()));
        object.add(
                "nodes",
                AttachmentJson.texts(
                        core.nodes().stream().map(ServiceStatus::name).toList()));
        object.add(
                "filters",
                AttachmentJson.texts(
                        core.filters().stream().map(ServiceStatus::name).toList()));
        object.add(
                "engines",
                AttachmentJson.texts(
                        core.engines().stream().map(ServiceStatus::name).toList()));
        JsonObject limits = new JsonObject();
        Runtime runtime = Runtime.getRuntime();
        limits.add("heap_bytes", limit(runtime.totalMemory() - runtime.freeMemory(), runtime.maxMemory()));
        http.all().forEach((name, numbers) -> limits.add(name, limit(numbers[0], numbers[1])));
        object.add("limits", limits);
        return Reply.of(object);
    }

    private static JsonObject limit(long used, long most) {
        JsonObject object = new JsonObject();
        object.addProperty("used", used);
        object.addProperty("max", most);
        return object;
    }

    private Reply diag(Ask ask) throws DiskException {
        JsonObject object = new JsonObject();
        object.add(
                "lines",
                AttachmentJson.texts(
                        new DaemonDiagnosis(context, components, attachments.get()).lines(ask.query("name"))));
        return Reply.of(object);
    }
}
