package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.tls.testkit.TestCertificates;
import org.junit.jupiter.api.Test;

/** Clients of the HTTP API that are hostile, slow or many, that follow events, and that come by TLS. */
class HttpClientsIT extends HttpUser {
    private static final int FOLLOWERS = 64;

    private Socket open(String request) throws IOException {
        Socket socket = new Socket("127.0.0.1", port);
        socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
        return socket;
    }

    private String head(String path, String... headers) throws Exception {
        return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token() + "\r\n"
                + String.join(
                        "", List.of(headers).stream().map(each -> each + "\r\n").toList());
    }

    private static BufferedReader reader(Socket socket) throws IOException {
        return new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
    }

    private static String status(Socket socket) throws IOException {
        String line = reader(socket).readLine();
        return line == null ? "" : line.split(" ")[1];
    }

    private static void closeAll(List<Socket> sockets) throws IOException {
        for (Socket each : sockets) {
            each.close();
        }
    }

    private long followers() throws Exception {
        return get("/api/v1/daemon")
                .getAsJsonObject("limits")
                .getAsJsonObject("http_followers")
                .get("used")
                .getAsLong();
    }

    /** Reads events until one is of a kind; returns its number. */
    private static String await(BufferedReader events, String kind) throws IOException {
        String id = "";
        for (String line = events.readLine(); line != null; line = events.readLine()) {
            id = line.startsWith("id: ") ? line.substring(4) : id;
            if (line.equals("event: " + kind)) {
                return id;
            }
        }
        throw new AssertionError("the events end before " + kind);
    }

    private Process follow(Path to, String... more) throws Exception {
        List<String> command = new ArrayList<>(
                List.of("curl", "-sSN", "-H", "Authorization: Bearer " + token(), url("/api/v1/events")));
        command.addAll(List.of(more));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(to.toFile())
                .start();
    }

    @Test
    void strangersGetNothing() throws Exception {
        String all = url("/api/v1/attachments");
        curl(List.of(all)).says(401, "Bearer");
        curl(List.of("-H", "Authorization: Bearer " + token() + "x", all)).says(401, "Bearer");
        curl(List.of("-u", "root:" + token(), all)).says(401, "Bearer");
        curl(List.of(all + "?token=" + token())).says(401, "Bearer");
        String bearer = "Authorization: Bearer " + token();
        curl(List.of("-H", bearer, "-H", "Origin: http://evil.example", all)).says(403, "elsewhere");
        curl(List.of("-H", bearer, "-H", "Origin: null", "-d", "{}", all)).says(403, "elsewhere");
        curl(List.of("-H", bearer, "-H", "Sec-Fetch-Site: cross-site", all)).says(403, "elsewhere");
        curl(List.of("-H", bearer, "-H", "Host: rebound.example", all)).says(421, "rebound.example");
        curl(List.of("-H", "Host: rebound.example", url("/"))).says(421, "rebound.example");
        curl(List.of("-H", bearer, "-H", "Origin: " + url("").replaceFirst("/$", ""), all))
                .is(200);
        for (String path : List.of(
                "/../../etc/passwd",
                "/page/../../x",
                "/%2e%2e/%2e%2e/etc/passwd",
                "/..%2f..%2fetc/passwd",
                "/index.html/../api/v1/attachments",
                "/index.html;/api/v1/attachments",
                "//api/v1/attachments",
                "/%2fapi/v1/attachments",
                "/api/v1/../v1/attachments",
                "/WEB-INF/web.xml",
                "/OSGI-INF/",
                "/openapi.json")) {
            int status = curl(List.of(url(path))).status();
            assertTrue(status == 400 || status == 401 || status == 404, path + ": " + status);
        }
        curl(List.of("-H", bearer, "-H", "X: " + "y".repeat(20_000), all)).is(431);
        assertEquals(
                0,
                Run.of("sh", "-c", "! grep -q '" + token() + "' " + daemon.log).status(),
                "no token in the log");
    }

    @Test
    void halfRequestsAreCutOffAndKeepNobodyOut() throws Exception {
        List<Socket> slow = new ArrayList<>();
        String[] halves = {
            "",
            "GET / HT",
            "GET / HTTP/1.1\r\nHost: localhost\r\nX-",
            head("/api/v1/attachments"),
            "POST /api/v1/attachments HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
            "\0\1\2\3",
        };
        // a byte now and then does not help
        Socket drip = open("GET / HTTP/1.1\r\nHost: localhost\r\n");
        for (int i = 0; i < 240; i++) {
            slow.add(open(halves[i % halves.length]));
        }
        ask("GET", "/api/v1/attachments", null).is(200);
        Wait.until("it is cut off", () -> {
            try {
                drip.getOutputStream().write('x');
                Thread.sleep(200);
                drip.getOutputStream().write('x');
                return false;
            } catch (IOException e) {
                return true;
            }
        });
        drip.close();
        for (int i = 0; i < 200; i++) {
            slow.add(open(halves[i % halves.length]));
        }
        // if they are more than the places, who comes now waits until some are cut off
        ask("GET", "/api/v1/attachments", null).is(200);
        closeAll(slow);
        assertTrue(daemon.threads("blktap-http") < 40, "threads");
    }

    @Test
    void aThousandFollowersHoldUpNobody() throws Exception {
        Wait.until("those of other tests have gone", () -> followers() == 0);
        List<Socket> sockets = new ArrayList<>();
        int refused = 0;
        try {
            for (int i = 0; i < 1000; i++) {
                Socket socket = open(head("/api/v1/events") + "\r\n");
                if (sockets.size() >= FOLLOWERS) {
                    assertEquals("503", status(socket));
                    socket.close();
                    refused++;
                } else {
                    // the rest of the answer is not read
                    assertEquals("200", status(socket));
                    sockets.add(socket);
                }
            }
            assertEquals(1000 - FOLLOWERS, refused);
            assertEquals(FOLLOWERS, followers());
            // of them one reads, the others do not
            Socket one = sockets.remove(0);
            daemon.attach("tap:ram:x,size=1M", "x");
            for (int i = 0; i < 5; i++) {
                daemon.blktap("park", "x").ok();
                daemon.blktap("resume", "x").ok();
            }
            one.close();
            Wait.until("its place is free", () -> followers() < FOLLOWERS);
            try (Socket other = open(head("/api/v1/events?after=0") + "\r\n")) {
                BufferedReader events = reader(other);
                await(events, "attached");
                for (int i = 0; i < 5; i++) {
                    await(events, "parked");
                    await(events, "resumed");
                }
            }
        } finally {
            closeAll(sockets);
        }
        Wait.until("all places are free", () -> followers() == 0);
    }

    @Test
    void clientsAtTheSameTimeGetAnswersThatFit() throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        List<CompletableFuture<HttpResponse<String>>> asked = new ArrayList<>();
        Random random = new Random(7);
        for (int i = 0; i < 300; i++) {
            String disk = "c" + random.nextInt(4);
            String[] request = switch (random.nextInt(6)) {
                case 0 ->
                    new String[] {"POST", "", "{\"spec\":\"tap:ram:" + disk + ",size=1M\",\"id\":\"" + disk + "\"}"};
                case 1 -> new String[] {"DELETE", "/" + disk + "?force=true", ""};
                case 2 -> new String[] {"POST", "/" + disk + "/park", "{}"};
                case 3 -> new String[] {"POST", "/" + disk + "/resume", "{}"};
                case 4 -> new String[] {"GET", "/" + disk, ""};
                default -> new String[] {"GET", "", ""};
            };
            asked.add(client.sendAsync(
                    HttpRequest.newBuilder(URI.create(url("/api/v1/attachments" + request[1])))
                            .header("Authorization", "Bearer " + token())
                            .header("Content-Type", "application/json")
                            .method(request[0], HttpRequest.BodyPublishers.ofString(request[2]))
                            .build(),
                    HttpResponse.BodyHandlers.ofString()));
        }
        for (CompletableFuture<HttpResponse<String>> each : asked) {
            HttpResponse<String> response = each.get(Run.LIMIT_SECONDS, TimeUnit.SECONDS);
            assertTrue(Set.of(200, 201, 204, 404, 409, 503).contains(response.statusCode()), response.body());
        }
        ask("GET", "/api/v1/attachments", null).is(200);
    }

    @Test
    void eventsGoOnAfterAReplacedBundleAndAKilledDaemon() throws Exception {
        String after;
        try (Socket socket = open(head("/api/v1/events?after=0") + "\r\n")) {
            BufferedReader events = reader(socket);
            await(events, "deployed");
            ask("POST", "/api/v1/attachments", "{'spec':'tap:ram:x,size=1M','id':'x'}")
                    .is(201);
            after = await(events, "attached");
            Path jar = daemon.home.resolve("optional/http.jar");
            ask(
                            "POST",
                            "/api/v1/bundles?name=http.jar",
                            null,
                            "-T",
                            jar.toString(),
                            "-H",
                            "Content-Type: application/java-archive")
                    .is(202);
            for (String line = read(events); line != null; line = read(events)) {
                assertFalse(line.isEmpty() && line.startsWith("HTTP"));
            }
        }
        Wait.until("it is back", () -> curl(List.of(url("/health"))).status() == 200);
        Path file = directory.resolve("events");
        Process curl = follow(file, "-H", "Last-Event-ID: " + after);
        Wait.until("the deploy was not missed", () -> Files.readString(file).contains("org.blktap.http"));
        assertFalse(Files.readString(file).contains("event: attached"), "what is known does not come again");
        String token = token();
        daemon.kill();
        assertTrue(curl.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), "the follower sees the end");
        Files.writeString(daemon.dataDir.resolve("http/uploads/half.jar"), "half");
        daemon.start();
        awaitListening();
        assertEquals(token, token(), "the token stays");
        Wait.until(
                "the API is there",
                () -> curl(List.of("-H", "Authorization: Bearer " + token, url("/api/v1/daemon")))
                                .status()
                        == 200);
        ask("GET", "/api/v1/attachments/x", null).is(200);
        assertFalse(Files.exists(daemon.dataDir.resolve("http/uploads/half.jar")));
        try (Socket socket = open(head("/api/v1/events", "Last-Event-ID: " + after) + "\r\n")) {
            await(reader(socket), "ready");
        }
        try (Socket socket = open(head("/api/v1/events?after=999999999") + "\r\n")) {
            await(reader(socket), "gap");
        }
        ask("GET", "/api/v1/events?after=x", null).says(400, "number");
        ask("DELETE", "/api/v1/attachments/x", null).is(204);
    }

    private static String read(BufferedReader in) {
        try {
            return in.readLine();
        } catch (IOException e) {
            return null;
        }
    }

    @Test
    void otherHostsNeedTls() throws Exception {
        TestCertificates pki = TestCertificates.usual(directory.resolve("pki"));
        int open = FreePort.tcp();
        try {
            daemon.configure("{}");
            daemon.blktap("config", "--reload").ok();
            Wait.until("nothing listens", () -> curl(List.of(url("/health"))).status() == 0);
            assertTrue(daemon.blktap("http").ok().out().startsWith("nowhere"));

            daemon.configure(
                    "{\"org.blktap.http\": {\"listen\": [\"127.0.0.1:" + port + "\", \"0.0.0.0:" + open + "\"]}}");
            daemon.blktap("config", "--reload");
            Wait.until("diag shows why", () -> daemon.blktap("diag").out().contains("is reached from other hosts"));
            assertEquals(
                    0, curl(List.of("http://127.0.0.1:" + open + "/health")).status());
            assertEquals(0, curl(List.of(url("/health"))).status(), "all or nothing");

            daemon.configure("{\"org.blktap.http\": {\"listen\": [\"0.0.0.0:" + open
                    + "\"], \"tls\": true, \"tls.directory\": \"" + pki.directory()
                    + "\", \"subjects\": \"CN=backup%2CO=Example;O=Example%2CCN=backup\"}}");
            daemon.blktap("config", "--reload").ok();
            String all = "https://localhost:" + open + "/api/v1/attachments";
            String ca = pki.directory().resolve("ca-cert.pem").toString();
            Wait.until(
                    "TLS is there",
                    () -> curl(List.of("--cacert", ca, "https://localhost:" + open + "/health"))
                                    .status()
                            == 200);
            curl(List.of("--cacert", ca, all)).says(401, "Bearer");
            curl(List.of("--cacert", ca, "-H", "Authorization: Bearer " + token(), all))
                    .is(200);
            curl(client(pki, ca, all)).is(200);
            List<String> wrong = new ArrayList<>(client(pki, ca, all));
            wrong.addAll(List.of("-H", "Authorization: Bearer wrong"));
            curl(wrong).says(401, "Bearer");
            pki.sign("client", "/CN=other", null, 30);
            curl(client(pki, ca, all)).says(401, "Bearer");
            TestCertificates strange = TestCertificates.usual(directory.resolve("strange"));
            assertEquals(0, curl(client(strange, ca, all)).status(), "another authority's");
            assertEquals(
                    0, curl(List.of("http://localhost:" + open + "/health")).status() / 200);
            assertNotEquals(
                    200, curl(List.of("--tls-max", "1.1", "--cacert", ca, all)).status());
        } finally {
            listen("");
            awaitListening();
        }
    }

    private static List<String> client(TestCertificates of, String ca, String url) {
        return List.of(
                "--cacert",
                ca,
                "--cert",
                of.directory().resolve("client-cert.pem").toString(),
                "--key",
                of.directory().resolve("client-key.pem").toString(),
                url);
    }
}
