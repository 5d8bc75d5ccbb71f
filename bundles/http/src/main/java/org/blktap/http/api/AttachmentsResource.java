package org.blktap.http.api;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.Overlay;
import org.blktap.api.control.Images;
import org.blktap.api.control.Jobs;
import org.blktap.api.control.OverlayNames;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.PercentCoding;
import org.blktap.api.disk.TapSpec;

/** Attachments, under {@code /attachments}, and their counters, under {@code /stats}. */
final class AttachmentsResource {
    private static final String ATTACHMENTS = "/api/v1/attachments/";

    private final Supplier<Attachments> attachments;
    private final Supplier<Images> images;
    private final Supplier<Jobs> jobs;

    AttachmentsResource(Supplier<Attachments> attachments, Supplier<Images> images, Supplier<Jobs> jobs) {
        this.attachments = attachments;
        this.images = images;
        this.jobs = jobs;
    }

    void addTo(Router router) {
        router.add("GET", "/attachments", ask -> list());
        router.add("POST", "/attachments", this::attach);
        router.add("GET", "/attachments/{id}", ask -> Reply.of(attachment(ask.segment(0))));
        router.add("DELETE", "/attachments/{id}", this::detach);
        router.add("POST", "/attachments/{id}/park", this::park);
        router.add("POST", "/attachments/{id}/resume", this::resume);
        router.add("POST", "/attachments/{id}/snapshot", this::snapshot);
        router.add("POST", "/attachments/{id}/resize", this::resize);
        router.add("POST", "/attachments/{id}/plug", this::plug);
        router.add("POST", "/attachments/{id}/unplug", this::unplug);
        router.add("GET", "/stats", ask -> stats());
    }

    private Reply list() throws ProblemException {
        JsonArray all = new JsonArray();
        core().list().forEach(each -> all.add(AttachmentJson.of(each)));
        return Reply.of(all);
    }

    private Reply attach(Ask ask) throws ProblemException, DiskException {
        Body body = ask.json();
        AttachRequest request = new AttachRequest(
                Specs.parse(body.required("spec")),
                body.text("id"),
                body.texts("nodes"),
                body.flag("readOnly"),
                body.map("options"),
                body.texts("filters"));
        body.checkAllKnown();
        AttachmentStatus made = core().attach(request);
        return Reply.created(attachment(made.id()), ATTACHMENTS + PercentCoding.encodeSegment(made.id()));
    }

    private Reply detach(Ask ask) throws ProblemException, DiskException {
        core().detach(ask.segment(0), ask.flag("force"));
        return Reply.done();
    }

    private Reply park(Ask ask) throws ProblemException, DiskException {
        ask.json().checkAllKnown();
        core().park(ask.segment(0));
        return Reply.of(attachment(ask.segment(0)));
    }

    private Reply resume(Ask ask) throws ProblemException, DiskException {
        ask.json().checkAllKnown();
        core().resume(ask.segment(0));
        return Reply.of(attachment(ask.segment(0)));
    }

    private Reply resize(Ask ask) throws ProblemException, DiskException {
        Body body = ask.json();
        Options size = new Options(body.rest());
        long bytes = size.size("size", -1);
        size.checkAllKnown("resize");
        core().resize(ask.segment(0), bytes);
        return Reply.of(attachment(ask.segment(0)));
    }

    private Reply plug(Ask ask) throws ProblemException, DiskException {
        Body body = ask.json();
        String node = body.required("node");
        body.checkAllKnown();
        core().plug(ask.segment(0), node);
        return Reply.of(attachment(ask.segment(0)));
    }

    private Reply unplug(Ask ask) throws ProblemException, DiskException {
        Body body = ask.json();
        String node = body.required("node");
        boolean force = body.flag("force");
        body.checkAllKnown();
        core().unplug(ask.segment(0), node, force);
        return Reply.of(attachment(ask.segment(0)));
    }

    private Reply snapshot(Ask ask) throws ProblemException, DiskException {
        Body body = ask.json();
        OverlayNames names = new OverlayNames(body.text("name"), body.text("type"));
        Map<String, String> options = body.map("options");
        body.checkAllKnown();
        String id = ask.segment(0);
        TapSpec before = TapSpec.parse(core().status(id).spec());
        TapSpec overlay = Specs.checked(names.of(before));
        List<Duration> pauses = core().snapshot(List.of(new Overlay(id, overlay, options)));
        JsonObject taken = new JsonObject();
        taken.addProperty("id", id);
        taken.addProperty("image", overlay.toString());
        taken.addProperty("backing", before.toString());
        taken.addProperty("pausedMicros", pauses.get(0).toNanos() / 1000);
        taken.add("chain", AttachmentJson.texts(chain(overlay, before)));
        return Reply.of(taken);
    }

    private Reply stats() throws ProblemException, DiskException {
        JsonObject all = new JsonObject();
        all.addProperty("timeMillis", System.currentTimeMillis());
        JsonArray attachments = new JsonArray();
        core().stats().forEach(each -> attachments.add(StatsJson.of(each)));
        all.add("attachments", attachments);
        return Reply.of(all);
    }

    /** Returns an attachment, with the details that only a request for one attachment gets. */
    private JsonObject attachment(String id) throws ProblemException, DiskException {
        AttachmentStatus status = core().status(id);
        JsonObject object = AttachmentJson.of(status);
        String backing = status.details().get(AttachmentStatus.BACKING);
        object.add(
                "chain",
                AttachmentJson.texts(
                        chain(TapSpec.parse(status.spec()), backing == null ? null : TapSpec.parse(backing))));
        JsonArray working = new JsonArray();
        Jobs table = jobs.get();
        if (table != null) {
            table.list().stream()
                    .filter(each ->
                            each.attachment().equals(id) && !each.state().ended())
                    .forEach(each -> working.add(each.id()));
        }
        object.add("jobs", working);
        return object;
    }

    private List<String> chain(TapSpec image, TapSpec backing) {
        List<String> all = new ArrayList<>(List.of(image.toString()));
        Images found = images.get();
        if (backing != null && found != null) {
            found.chain(backing, new LinkedHashMap<>()).forEach(each -> all.add(each.toString()));
        } else if (backing != null) {
            all.add(backing.toString());
        }
        return all;
    }

    private Attachments core() throws ProblemException {
        return Present.in(attachments, "the core");
    }
}
