package org.blktap.http.testkit;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * Checks answers against an OpenAPI document: the part of JSON Schema that ours uses, and that nothing is answered that
 * it does not have.
 */
public final class ApiDescription {
    private final JsonObject document;

    public ApiDescription(JsonObject document) {
        this.document = document;
    }

    /** The operations, as {@code GET /api/v1/attachments/{id}}. */
    public TreeSet<String> operations() {
        TreeSet<String> all = new TreeSet<>();
        for (Map.Entry<String, JsonElement> path :
                document.getAsJsonObject("paths").entrySet()) {
            for (String method : path.getValue().getAsJsonObject().keySet()) {
                if (!method.equals("parameters")) {
                    all.add(method.toUpperCase(java.util.Locale.ROOT) + " " + path.getKey());
                }
            }
        }
        return all;
    }

    /**
     * Returns what is wrong with an answer.
     *
     * @param path as it was asked for, without a query
     * @param body null for none
     */
    public List<String> faults(String method, String path, int status, String type, JsonElement body) {
        for (Map.Entry<String, JsonElement> each :
                document.getAsJsonObject("paths").entrySet()) {
            JsonObject operation =
                    each.getValue().getAsJsonObject().getAsJsonObject(method.toLowerCase(java.util.Locale.ROOT));
            if (operation != null && pattern(each.getKey()).matcher(path).matches()) {
                return faults(operation, status, type, body);
            }
        }
        return List.of("no operation " + method + " " + path);
    }

    private static Pattern pattern(String path) {
        return Pattern.compile("\\Q" + path.replaceAll("\\{[a-z]+}", "\\\\E[^/]+\\\\Q") + "\\E");
    }

    private List<String> faults(JsonObject operation, int status, String type, JsonElement body) {
        JsonObject responses = operation.getAsJsonObject("responses");
        JsonObject response = responses.getAsJsonObject(Integer.toString(status));
        if (response == null) {
            response = status < 400 ? null : resolve(responses.getAsJsonObject("default"));
        }
        if (response == null) {
            return List.of("no response " + status);
        }
        JsonObject content = response.getAsJsonObject("content");
        if (content == null) {
            return body == null ? List.of() : List.of("a body, where there is none");
        }
        JsonObject media = content.getAsJsonObject(type);
        if (media == null) {
            return List.of("the type " + type + ", not " + content.keySet());
        }
        List<String> faults = new ArrayList<>();
        check(media.getAsJsonObject("schema"), body, "", faults);
        return faults;
    }

    /** Returns what is wrong with the examples in the document. */
    public List<String> faultsOfExamples() {
        List<String> faults = new ArrayList<>();
        examples(document, "", faults);
        return faults;
    }

    private void examples(JsonElement element, String at, List<String> faults) {
        if (element.isJsonObject()) {
            JsonObject object = element.getAsJsonObject();
            if (object.has("example") && object.has("schema")) {
                check(object.getAsJsonObject("schema"), object.get("example"), at, faults);
            }
            object.entrySet().forEach(each -> examples(each.getValue(), at + "/" + each.getKey(), faults));
        } else if (element.isJsonArray()) {
            element.getAsJsonArray().forEach(each -> examples(each, at, faults));
        }
    }

    private JsonObject resolve(JsonObject schema) {
        JsonElement reference = schema.get("$ref");
        if (reference == null) {
            return schema;
        }
        JsonElement found = document;
        for (String each : reference.getAsString().substring(2).split("/")) {
            found = found.getAsJsonObject().get(each);
            if (found == null) {
                throw new IllegalArgumentException("no " + reference);
            }
        }
        return found.getAsJsonObject();
    }

    private void check(JsonObject given, JsonElement value, String at, List<String> faults) {
        JsonObject schema = resolve(given);
        if (value == null) {
            faults.add(at + ": missing");
            return;
        }
        if (schema.has("anyOf")) {
            List<String> best = null;
            for (JsonElement each : schema.getAsJsonArray("anyOf")) {
                List<String> some = new ArrayList<>();
                check(each.getAsJsonObject(), value, at, some);
                best = best == null || some.size() < best.size() ? some : best;
            }
            faults.addAll(best == null ? List.of() : best);
            return;
        }
        if (schema.has("type") && !hasType(schema.get("type"), value)) {
            faults.add(at + ": " + value + " is not " + schema.get("type"));
            return;
        }
        if (schema.has("enum") && !schema.getAsJsonArray("enum").contains(value)) {
            faults.add(at + ": " + value + " is none of " + schema.get("enum"));
        }
        if (value.isJsonArray() && schema.has("items")) {
            for (JsonElement each : value.getAsJsonArray()) {
                check(schema.getAsJsonObject("items"), each, at + "[]", faults);
            }
        }
        if (value.isJsonObject()) {
            checkMembers(schema, value.getAsJsonObject(), at, faults);
        }
    }

    private void checkMembers(JsonObject schema, JsonObject value, String at, List<String> faults) {
        Map<String, JsonObject> members = new HashMap<>();
        JsonElement others = collect(schema, members, value, at, faults);
        for (Map.Entry<String, JsonElement> each : value.entrySet()) {
            String where = at + "." + each.getKey();
            if (members.containsKey(each.getKey())) {
                check(members.get(each.getKey()), each.getValue(), where, faults);
            } else if (others != null && others.isJsonObject()) {
                check(others.getAsJsonObject(), each.getValue(), where, faults);
            } else if (!members.isEmpty() || others != null) {
                faults.add(where + ": not described");
            }
        }
    }

    /** Adds the members that a schema describes, and reports those that are missing; returns what describes others. */
    private JsonElement collect(
            JsonObject given, Map<String, JsonObject> members, JsonObject value, String at, List<String> faults) {
        JsonObject schema = resolve(given);
        JsonElement others = schema.get("additionalProperties");
        for (JsonElement each : schema.has("allOf") ? schema.getAsJsonArray("allOf") : new JsonArray()) {
            JsonElement more = collect(each.getAsJsonObject(), members, value, at, faults);
            others = others == null ? more : others;
        }
        if (schema.has("properties")) {
            schema.getAsJsonObject("properties")
                    .entrySet()
                    .forEach(each -> members.put(each.getKey(), each.getValue().getAsJsonObject()));
        }
        for (JsonElement each : schema.has("required") ? schema.getAsJsonArray("required") : new JsonArray()) {
            if (!value.has(each.getAsString())) {
                faults.add(at + "." + each.getAsString() + ": missing");
            }
        }
        return others;
    }

    private static boolean hasType(JsonElement type, JsonElement value) {
        if (type.isJsonArray()) {
            for (JsonElement each : type.getAsJsonArray()) {
                if (hasType(each, value)) {
                    return true;
                }
            }
            return false;
        }
        JsonPrimitive primitive = value.isJsonPrimitive() ? value.getAsJsonPrimitive() : null;
        return switch (type.getAsString()) {
            case "null" -> value.isJsonNull();
            case "object" -> value.isJsonObject();
            case "array" -> value.isJsonArray();
            case "string" -> primitive != null && primitive.isString();
            case "boolean" -> primitive != null && primitive.isBoolean();
            case "number" -> primitive != null && primitive.isNumber();
            case "integer" ->
                primitive != null
                        && primitive.isNumber()
                        && primitive.getAsDouble() == Math.rint(primitive.getAsDouble());
            default -> throw new IllegalArgumentException("type " + type);
        };
    }
}
