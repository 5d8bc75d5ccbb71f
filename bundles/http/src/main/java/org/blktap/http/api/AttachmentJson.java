package org.blktap.http.api;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.StateReason;

/** Attachments as JSON. The API promises that members may be added, but never change. */
final class AttachmentJson {
    private AttachmentJson() {}

    static JsonObject of(AttachmentStatus disk) {
        JsonObject object = new JsonObject();
        object.addProperty("id", disk.id());
        object.addProperty("spec", disk.spec());
        object.addProperty("state", lower(disk.state()));
        object.add("reason", reason(disk.reason()));
        object.addProperty("sizeBytes", disk.sizeBytes());
        object.addProperty("blockSize", disk.blockSize());
        object.addProperty("readOnly", disk.readOnly());
        object.addProperty("engine", disk.engine());
        JsonArray nodes = new JsonArray();
        for (AttachmentStatus.Node each : disk.nodes()) {
            JsonObject node = new JsonObject();
            node.addProperty("kind", each.kind());
            node.addProperty("address", each.address());
            node.add("status", map(each.status()));
            nodes.add(node);
        }
        object.add("nodes", nodes);
        object.add("filters", texts(disk.filters()));
        object.add("options", map(disk.options()));
        object.add("details", map(disk.details()));
        return object;
    }

    private static JsonElement reason(StateReason reason) {
        if (reason.isEmpty()) {
            return JsonNull.INSTANCE;
        }
        JsonObject object = new JsonObject();
        object.addProperty("kind", lower(reason.kind()));
        object.addProperty("text", reason.text());
        return object;
    }

    static String lower(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    static JsonArray texts(Collection<String> values) {
        JsonArray array = new JsonArray();
        values.forEach(array::add);
        return array;
    }

    static JsonObject map(Map<String, ?> values) {
        JsonObject object = new JsonObject();
        values.forEach((key, value) -> object.add(key, value(value)));
        return object;
    }

    /** Returns a text, number or truth value as JSON, which has no NaN. */
    static JsonElement value(Object value) {
        if (value == null || value instanceof Number number && !Double.isFinite(number.doubleValue())) {
            return JsonNull.INSTANCE;
        }
        if (value instanceof Number number) {
            return new JsonPrimitive(number);
        }
        if (value instanceof Boolean flag) {
            return new JsonPrimitive(flag);
        }
        return new JsonPrimitive(value.toString());
    }
}
