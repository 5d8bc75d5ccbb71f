package org.blktap.http;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.blktap.api.disk.FileNames;
import org.blktap.api.health.Health;
import org.blktap.api.health.HealthReport;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/**
 * {@code GET /health}: 200 if VMs are served, otherwise 503. Anyone may ask, so that load balancers and watchdogs can;
 * only clients with the token see what is wrong. However many ask, the checks run at most once a second.
 */
final class HealthAnswer extends Handler.Abstract.NonBlocking {
    static final String PATH = "/health";
    private static final long FRESH_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Supplier<Health> service;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(task -> {
        Thread made = new Thread(task, "blktap-http-health");
        made.setDaemon(true);
        return made;
    });
    private CompletableFuture<HealthReport> last;
    private long lastNanos;

    /** @param service the service at this moment, or null */
    HealthAnswer(Supplier<Health> service) {
        this.service = service;
    }

    @Override
    protected void doStop() throws Exception {
        thread.shutdownNow();
        super.doStop();
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        if (!Request.getPathInContext(request).equals(PATH)) {
            return false;
        }
        if (!request.getMethod().equals("GET") && !request.getMethod().equals("HEAD")) {
            response.getHeaders().put(HttpHeader.ALLOW, "GET, HEAD");
            new Problem(HttpStatus.METHOD_NOT_ALLOWED_405, "the health is only read").write(response, callback);
            return true;
        }
        boolean all = Boolean.TRUE.equals(request.getAttribute(Guard.TRUSTED));
        boolean head = request.getMethod().equals("HEAD");
        report().whenComplete((report, failure) -> {
            if (failure != null) {
                new Problem(HttpStatus.SERVICE_UNAVAILABLE_503, "the health checks are not active")
                        .write(response, callback);
            } else {
                write(report, all, head, response, callback);
            }
        });
        return true;
    }

    private synchronized CompletableFuture<HealthReport> report() {
        long now = System.nanoTime();
        if (last == null || last.isDone() && now - lastNanos > FRESH_NANOS) {
            lastNanos = now;
            last = CompletableFuture.supplyAsync(() -> service.get().check(), thread);
        }
        return last;
    }

    private static void write(HealthReport report, boolean all, boolean head, Response response, Callback callback) {
        JsonObject object = new JsonObject();
        object.addProperty("status", lower(report.status()));
        if (all) {
            JsonArray checks = new JsonArray();
            for (HealthReport.Check each : report.checks()) {
                JsonObject check = new JsonObject();
                check.addProperty("name", each.name());
                check.addProperty("status", lower(each.status()));
                JsonArray messages = new JsonArray();
                each.messages().forEach(messages::add);
                check.add("messages", messages);
                check.addProperty("millis", each.millis());
                checks.add(check);
            }
            object.add("checks", checks);
        }
        byte[] bytes = FileNames.escaped(object.toString()).getBytes(StandardCharsets.UTF_8);
        response.setStatus(
                report.status() == HealthReport.Status.CRITICAL
                        ? HttpStatus.SERVICE_UNAVAILABLE_503
                        : HttpStatus.OK_200);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "application/json");
        response.getHeaders().put(HttpHeader.CONTENT_LENGTH, bytes.length);
        response.write(true, head ? null : ByteBuffer.wrap(bytes), callback);
    }

    private static String lower(HealthReport.Status status) {
        return status.name().toLowerCase(Locale.ROOT);
    }
}
