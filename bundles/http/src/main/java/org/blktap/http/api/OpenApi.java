package org.blktap.http.api;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** The API's own description, OpenAPI 3.1. */
final class OpenApi {
    private final JsonObject document;

    OpenApi(String version) {
        document = read();
        document.getAsJsonObject("info").addProperty("version", version);
    }

    static JsonObject read() {
        try (InputStream in = OpenApi.class.getResourceAsStream("/openapi.json")) {
            return JsonParser.parseReader(new InputStreamReader(in, StandardCharsets.UTF_8))
                    .getAsJsonObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void addTo(Router router) {
        router.add("GET", "/openapi.json", ask -> Reply.of(document));
    }
}
