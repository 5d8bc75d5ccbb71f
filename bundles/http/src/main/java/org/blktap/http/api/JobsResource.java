package org.blktap.http.api;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.blktap.api.control.JobRequest;
import org.blktap.api.control.JobStatus;
import org.blktap.api.control.Jobs;
import org.blktap.api.disk.DiskException;

/** Jobs, under {@code /jobs}. */
final class JobsResource {
    private static final String JOBS = "/api/v1/jobs/";
    /** Arguments of jobs that name images. */
    private static final Set<String> IMAGES = Set.of("target", "top", "base", "onto");

    private final Supplier<Jobs> jobs;

    /** An action on the job of an id. */
    private interface Action {
        JobStatus on(Jobs jobs, String id) throws DiskException;
    }

    JobsResource(Supplier<Jobs> jobs) {
        this.jobs = jobs;
    }

    void addTo(Router router) {
        router.add("GET", "/jobs", ask -> list());
        router.add("POST", "/jobs", this::start);
        router.add("GET", "/jobs/{id}", ask -> Reply.of(json(table().job(ask.segment(0)))));
        router.add("PATCH", "/jobs/{id}", this::set);
        action(router, "pause", Jobs::pause);
        action(router, "resume", Jobs::resume);
        action(router, "cancel", Jobs::cancel);
        action(router, "complete", Jobs::complete);
    }

    private void action(Router router, String name, Action action) {
        router.add("POST", "/jobs/{id}/" + name, ask -> {
            ask.json().checkAllKnown();
            return Reply.of(json(action.on(table(), ask.segment(0))));
        });
    }

    private Reply list() throws ProblemException {
        JsonArray all = new JsonArray();
        table().list().forEach(each -> all.add(json(each)));
        return Reply.of(all);
    }

    private Reply start(Ask ask) throws ProblemException, DiskException, InterruptedException {
        Body body = ask.json();
        String kind = body.required("kind");
        String attachment = body.required("attachment");
        Map<String, String> settings = settings(body);
        Map<String, String> options = body.map("options");
        Map<String, String> targetOptions = body.map("targetOptions");
        Map<String, String> arguments = body.rest();
        for (String each : IMAGES) {
            if (arguments.containsKey(each)) {
                arguments.put(each, Specs.parse(arguments.get(each)).toString());
            }
        }
        JobStatus made = table().start(new JobRequest(kind, attachment, settings, arguments, options, targetOptions));
        return Reply.created(json(made), JOBS + made.id());
    }

    private Reply set(Ask ask) throws ProblemException, DiskException {
        Body body = ask.json();
        Map<String, String> settings = settings(body);
        body.checkAllKnown();
        return Reply.of(json(table().set(ask.segment(0), settings)));
    }

    private static Map<String, String> settings(Body body) throws ProblemException {
        Map<String, String> settings = new LinkedHashMap<>();
        for (String name : new String[] {"speed", "share"}) {
            String value = body.text(name);
            if (value != null) {
                // a job shows auto as 0
                settings.put(name, name.equals("share") && value.equals("0") ? "auto" : value);
            }
        }
        return settings;
    }

    private Jobs table() throws ProblemException {
        return Present.in(jobs, "the bundle jobs");
    }

    private static JsonObject json(JobStatus job) {
        JsonObject object = new JsonObject();
        object.addProperty("id", job.id());
        object.addProperty("kind", job.kind());
        object.addProperty("attachment", job.attachment());
        object.addProperty("state", job.state().toString());
        object.addProperty("doneBytes", job.doneBytes());
        object.addProperty("totalBytes", job.totalBytes());
        object.addProperty("speed", job.speed());
        object.addProperty("share", job.share());
        object.addProperty("message", job.message());
        object.addProperty("pausedMicros", job.pausedMicros());
        object.addProperty("createdMillis", job.createdMillis());
        object.addProperty("endedMillis", job.endedMillis());
        object.add("values", AttachmentJson.map(job.values()));
        return object;
    }
}
