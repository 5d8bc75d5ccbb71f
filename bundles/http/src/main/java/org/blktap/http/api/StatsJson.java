package org.blktap.http.api;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.control.AttachmentStats.Counter;
import org.blktap.api.control.AttachmentStats.Latency;

/** Counters as JSON. */
final class StatsJson {
    private StatsJson() {}

    static JsonObject of(AttachmentStats stats) {
        JsonObject object = new JsonObject();
        object.addProperty("id", stats.id());
        object.addProperty("inFlight", stats.inFlight());
        object.addProperty("parks", stats.parks());
        object.addProperty("parkedMillis", stats.parkedMillis());
        JsonObject operations = new JsonObject();
        stats.operations().forEach((name, counter) -> operations.add(name, counter(counter)));
        object.add("operations", operations);
        JsonArray filters = new JsonArray();
        stats.filters().forEach(each -> {
            JsonObject filter = new JsonObject();
            filter.addProperty("type", each.type());
            filter.add("values", AttachmentJson.map(each.values()));
            filters.add(filter);
        });
        object.add("filters", filters);
        return object;
    }

    private static JsonObject counter(Counter counter) {
        JsonObject object = new JsonObject();
        object.addProperty("count", counter.count());
        object.addProperty("bytes", counter.bytes());
        object.addProperty("errors", counter.errors());
        Latency latency = counter.latency();
        JsonObject micros = new JsonObject();
        micros.add("mean", AttachmentJson.value(latency.mean()));
        micros.add("p50", AttachmentJson.value(latency.p50()));
        micros.add("p90", AttachmentJson.value(latency.p90()));
        micros.add("p99", AttachmentJson.value(latency.p99()));
        micros.add("p999", AttachmentJson.value(latency.p999()));
        micros.add("max", AttachmentJson.value(latency.max()));
        object.add("latency", micros);
        return object;
    }
}
