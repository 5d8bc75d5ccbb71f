package org.blktap.http.api;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The JSON object of a request. Each member that is read counts as known; {@link #checkAllKnown} refuses the others.
 */
final class Body {
    private final JsonObject object;
    private final Set<String> known = new LinkedHashSet<>();

    Body(JsonObject object) {
        this.object = object;
    }

    private JsonElement find(String name) {
        known.add(name);
        JsonElement element = object.get(name);
        return element == null || element.isJsonNull() ? null : element;
    }

    /** Returns a text that must be present. */
    String required(String name) throws ProblemException {
        String value = text(name);
        if (value == null) {
            throw new ProblemException(400, "the member " + name + " is missing");
        }
        return value;
    }

    /** Returns a text or number as text; null if it is absent. */
    String text(String name) throws ProblemException {
        JsonElement element = find(name);
        return element == null ? null : text(name, element);
    }

    private static String text(String name, JsonElement element) throws ProblemException {
        if (element.isJsonPrimitive()) {
            return element.getAsString();
        }
        throw new ProblemException(400, "the member " + name + " must be a text");
    }

    boolean flag(String name) throws ProblemException {
        JsonElement element = find(name);
        if (element == null) {
            return false;
        }
        if (element.isJsonPrimitive() && element.getAsJsonPrimitive().isBoolean()) {
            return element.getAsBoolean();
        }
        throw new ProblemException(400, "the member " + name + " must be true or false");
    }

    List<String> texts(String name) throws ProblemException {
        JsonElement element = find(name);
        List<String> values = new ArrayList<>();
        if (element == null) {
            return values;
        }
        if (!element.isJsonArray()) {
            throw new ProblemException(400, "the member " + name + " must be an array of texts");
        }
        for (JsonElement each : (JsonArray) element) {
            values.add(text(name, each));
        }
        return values;
    }

    /** Returns an object of texts, numbers and truth values, as texts. */
    Map<String, String> map(String name) throws ProblemException {
        return map(name, false);
    }

    /** Returns an object of new values, at least one. Null, which removes a value, becomes an empty text. */
    Map<String, String> changes(String name) throws ProblemException {
        Map<String, String> values = map(name, true);
        if (values.isEmpty()) {
            throw new ProblemException(400, "the member " + name + " is missing or empty");
        }
        return values;
    }

    private Map<String, String> map(String name, boolean withNull) throws ProblemException {
        JsonElement element = find(name);
        Map<String, String> values = new LinkedHashMap<>();
        if (element == null) {
            return values;
        }
        if (!element.isJsonObject()) {
            throw new ProblemException(400, "the member " + name + " must be an object");
        }
        for (Map.Entry<String, JsonElement> each : element.getAsJsonObject().entrySet()) {
            boolean taken = withNull && each.getValue().isJsonNull();
            values.put(each.getKey(), taken ? "" : text(name + "." + each.getKey(), each.getValue()));
        }
        return values;
    }

    /** Returns all members that are not known yet, as texts; they count as known afterwards. */
    Map<String, String> rest() throws ProblemException {
        Map<String, String> values = new LinkedHashMap<>();
        for (Map.Entry<String, JsonElement> each : object.entrySet()) {
            if (known.add(each.getKey()) && !each.getValue().isJsonNull()) {
                values.put(each.getKey(), text(each.getKey(), each.getValue()));
            }
        }
        return values;
    }

    /** Refuses members that are not known, so that a misspelt one is never ignored. */
    void checkAllKnown() throws ProblemException {
        for (String name : object.keySet()) {
            if (!known.contains(name)) {
                throw new ProblemException(400, "unknown member '" + name + "'; known: " + String.join(", ", known));
            }
        }
    }
}
