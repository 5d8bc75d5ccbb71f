package org.blktap.http.api;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.blktap.api.control.AttachmentStats.FilterStats;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;

/** The filters of an attachment, under {@code /attachments/{id}/filters}. */
final class FiltersResource {
    private final Supplier<Attachments> attachments;

    FiltersResource(Supplier<Attachments> attachments) {
        this.attachments = attachments;
    }

    void addTo(Router router) {
        router.add("GET", "/attachments/{id}/filters", ask -> Reply.of(list(ask.segment(0))));
        router.add("POST", "/attachments/{id}/filters", this::add);
        router.add("PATCH", "/attachments/{id}/filters/{type}", this::set);
        router.add("DELETE", "/attachments/{id}/filters/{type}", this::remove);
    }

    private Reply add(Ask ask) throws ProblemException, DiskException {
        Body body = ask.json();
        String filter = body.required("filter");
        String below = body.text("below");
        body.checkAllKnown();
        return changed(ask, core().addFilter(ask.segment(0), filter, below));
    }

    private Reply set(Ask ask) throws ProblemException, DiskException {
        Body body = ask.json();
        Map<String, String> options = body.changes("options");
        body.checkAllKnown();
        return changed(ask, core().setFilter(ask.segment(0), ask.segment(1), options));
    }

    private Reply remove(Ask ask) throws ProblemException, DiskException {
        return changed(ask, core().removeFilter(ask.segment(0), ask.segment(1)));
    }

    private Reply changed(Ask ask, Duration pause) throws ProblemException, DiskException {
        JsonObject change = new JsonObject();
        change.addProperty("pausedMicros", pause.toNanos() / 1000);
        change.add("filters", list(ask.segment(0)));
        return Reply.of(change);
    }

    /** Returns the filters from the disk to the nodes, with the values that they report. */
    private JsonArray list(String id) throws ProblemException, DiskException {
        List<String> specs = core().status(id).filters();
        Map<String, Map<String, ?>> reported = new LinkedHashMap<>();
        for (FilterStats each : core().stats(id).filters()) {
            reported.put(each.type(), each.values());
        }
        JsonArray all = new JsonArray();
        for (String spec : specs) {
            String type = Options.nameIn(spec);
            JsonObject filter = new JsonObject();
            filter.addProperty("type", type);
            filter.addProperty("spec", spec);
            filter.add("values", AttachmentJson.map(reported.getOrDefault(type, Map.of())));
            all.add(filter);
        }
        return all;
    }

    private Attachments core() throws ProblemException {
        return Present.in(attachments, "the core");
    }
}
