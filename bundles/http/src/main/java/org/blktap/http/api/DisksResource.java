package org.blktap.http.api;

import com.google.gson.JsonArray;
import java.util.function.Supplier;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;

/** Attachments, under {@code /disks}. */
final class DisksResource {
    private final Supplier<Attachments> attachments;

    DisksResource(Supplier<Attachments> attachments) {
        this.attachments = attachments;
    }

    void addTo(Router router) {
        router.add("GET", "/disks", ask -> list());
    }

    private Answer list() throws ProblemException, DiskException {
        JsonArray all = new JsonArray();
        core().list().forEach(each -> all.add(DiskJson.of(each)));
        return Answer.of(all);
    }

    private Attachments core() throws ProblemException {
        return Present.in(attachments, "the core");
    }
}
