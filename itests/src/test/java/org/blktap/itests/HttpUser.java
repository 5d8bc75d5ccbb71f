package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.http.testkit.ApiDescription;
import org.junit.jupiter.api.BeforeAll;

/** A daemon with the bundle http, and curl. What is answered is compared with the API's own description. */
abstract class HttpUser extends SharedDaemon {
    int port;
    private ApiDescription description;

    /**
     * An answer.
     *
     * @param status 0 if there was none
     */
    record Reply(int status, String type, String text, String said) {
        JsonElement json() {
            return text.isEmpty() ? null : JsonParser.parseString(text);
        }

        JsonObject object() {
            return json().getAsJsonObject();
        }

        Reply is(int expected) {
            assertEquals(expected, status, this::toString);
            return this;
        }

        /** Fails unless it is a problem that says something. */
        Reply says(int expected, String part) {
            is(expected);
            assertEquals("application/problem+json", type);
            assertTrue(object().get("detail").getAsString().contains(part), this::toString);
            return this;
        }
    }

    @BeforeAll
    void deployHttp() throws Exception {
        port = FreePort.tcp();
        listen("");
        daemon.blktap("deploy", daemon.home.resolve("optional/http.jar").toString())
                .ok();
        awaitListening();
        description = new ApiDescription(
                ask("GET", "/api/v1/openapi.json", null).is(200).object());
    }

    /** Changes the settings; takes effect at once if the bundle is there. */
    void listen(String more) throws Exception {
        daemon.configure("{\"org.blktap.http\": {\"listen\": [\"127.0.0.1:" + port + "\"]" + more + "}}");
        daemon.blktap("config", "--reload");
    }

    void awaitListening() throws Exception {
        Wait.until("HTTP is there", () -> curl(List.of(url("/health"))).status() > 0);
    }

    Path tokenFile() {
        return daemon.dataDir.resolve("http/token");
    }

    String token() throws IOException {
        return Files.readString(tokenFile()).strip();
    }

    String url(String path) {
        return "http://127.0.0.1:" + port + path;
    }

    /** Runs curl, with {@code Authorization} only if the arguments have it. */
    static Reply curl(List<String> arguments) throws Exception {
        Path body = Files.createTempFile("itest", ".body");
        try {
            List<String> command = new ArrayList<>(List.of(
                    "curl",
                    "-sS",
                    "-g",
                    "--path-as-is",
                    "-m",
                    "120",
                    "-o",
                    body.toString(),
                    "-w",
                    "%{http_code} %{content_type}"));
            command.addAll(arguments);
            Run run = Run.of(command.toArray(String[]::new));
            String[] words = run.out().split(" ", 2);
            return new Reply(
                    Integer.parseInt(words[0]), words.length < 2 ? "" : words[1], Files.readString(body), run.err());
        } finally {
            Files.delete(body);
        }
    }

    /** Asks with the token. The answer must be as the description has it. */
    Reply ask(String method, String path, String json, String... more) throws Exception {
        List<String> arguments =
                new ArrayList<>(List.of("-X", method, "-H", "Authorization: Bearer " + token(), url(path)));
        if (json != null) {
            arguments.addAll(List.of("-H", "Content-Type: application/json", "-d", json.replace('\'', '"')));
        }
        arguments.addAll(List.of(more));
        Reply reply = curl(arguments);
        if (description != null) {
            assertEquals(
                    List.of(),
                    description.faults(
                            method, path.replaceFirst("\\?.*", ""), reply.status(), reply.type(), reply.json()),
                    () -> method + " " + path + ": " + reply);
        }
        return reply;
    }

    JsonObject get(String path) throws Exception {
        return ask("GET", path, null).is(200).object();
    }
}
