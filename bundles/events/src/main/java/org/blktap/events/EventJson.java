package org.blktap.events;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonParseException;
import com.google.gson.ToNumberPolicy;
import com.google.gson.reflect.TypeToken;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.FileNames;
import org.blktap.api.event.Event;

/** Events as lines of JSON, as in the file of the history. */
final class EventJson {
    private static final Gson GSON = new GsonBuilder()
            .disableHtmlEscaping()
            .setObjectToNumberStrategy(ToNumberPolicy.LONG_OR_DOUBLE)
            .create();
    private static final TypeToken<Map<String, Object>> MAP = new TypeToken<>() {};

    private EventJson() {}

    static String line(Map<String, ?> object) {
        return FileNames.escaped(GSON.toJson(object));
    }

    static String line(Event event) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("sequence", event.sequence());
        object.put("timeMillis", event.timeMillis());
        object.put("kind", event.kind());
        object.put("subject", event.subject());
        object.put("text", event.text());
        object.put("details", event.details());
        return line(object);
    }

    /** Returns the object of a line, or null if it has none; the last line before a power failure may be anything. */
    static Map<String, Object> object(String line) {
        try {
            return GSON.fromJson(line, MAP);
        } catch (JsonParseException e) {
            return null;
        }
    }

    /** Returns the event of an object, or null if it is none. */
    static Event event(Map<String, Object> object) {
        if (object.get("sequence") instanceof Long sequence
                && sequence > 0
                && object.get("timeMillis") instanceof Long time
                && object.get("kind") instanceof String kind
                && object.get("subject") instanceof String subject
                && object.get("text") instanceof String text
                && object.get("details") instanceof Map<?, ?> details) {
            Map<String, Object> values = new LinkedHashMap<>();
            details.forEach((key, value) -> values.put(key.toString(), value));
            return new Event(sequence, time, kind, subject, text, values);
        }
        return null;
    }
}
