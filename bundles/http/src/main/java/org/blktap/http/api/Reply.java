package org.blktap.http.api;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import java.util.Map;
import org.blktap.api.disk.FileNames;
import org.blktap.http.Problem;

/**
 * The answer of a route.
 *
 * @param type the media type of the text
 * @param text null for none
 */
record Reply(int status, String type, String text, Map<String, String> headers) {
    private static final String JSON = "application/json";
    private static final Gson GSON =
            new GsonBuilder().disableHtmlEscaping().serializeNulls().create();

    /** Returns a result, 200. */
    static Reply of(JsonElement value) {
        return new Reply(200, JSON, text(value), Map.of());
    }

    /** Returns something that was made, 201. */
    static Reply created(JsonElement value, String location) {
        return new Reply(201, JSON, text(value), Map.of("Location", location));
    }

    /** Returns an answer without contents, 204. */
    static Reply done() {
        return new Reply(204, JSON, null, Map.of());
    }

    static Reply of(Problem problem) {
        return new Reply(problem.status(), Problem.TYPE, problem.json(), Map.of());
    }

    Reply with(String header, String value) {
        return new Reply(status, type, text, Map.of(header, value));
    }

    Reply with(int other) {
        return new Reply(other, type, text, headers);
    }

    /** Returns JSON in which bytes of file names that are not UTF-8 are escaped. */
    static String text(JsonElement value) {
        return FileNames.escaped(GSON.toJson(value));
    }
}
