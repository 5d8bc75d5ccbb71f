package org.blktap.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.LocalConnector;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.util.Callback;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GuardTest {
    private static final String SECRET = "0123456789abcdef0123456789abcdef";
    private static final String TOKEN = "Authorization: Bearer " + SECRET;

    private final Server server = new Server();
    private final LocalConnector connector = new LocalConnector(server);

    @BeforeEach
    void start() throws Exception {
        server.addConnector(connector);
        server.setErrorHandler(new ProblemErrors());
        Guard guard = new Guard(new Token(SECRET), null, List.of("disks.example"), "/open"::equals);
        guard.setHandler(new Handler.Abstract() {
            @Override
            public boolean handle(Request request, Response response, Callback callback) {
                response.write(true, null, callback);
                return true;
            }
        });
        server.setHandler(guard);
        server.start();
    }

    @AfterEach
    void stop() throws Exception {
        server.stop();
    }

    private String ask(String first, String... headers) throws Exception {
        return connector.getResponse(
                first + " HTTP/1.1\r\n" + String.join("\r\n", headers) + "\r\nConnection: close\r\n\r\n");
    }

    private int status(String first, String... headers) throws Exception {
        return Integer.parseInt(ask(first, headers).split(" ")[1]);
    }

    @Test
    void onlyWhoHasTheTokenComesIn() throws Exception {
        assertEquals(200, status("GET /api", "Host: localhost", TOKEN));
        assertEquals(200, status("GET /api", "Host: localhost", "authorization: bearer  " + SECRET));
        assertEquals(200, status("GET /open", "Host: localhost"));
        for (String each : List.of(
                "X: y",
                "Authorization: Bearer",
                "Authorization: Bearer ",
                "Authorization: Bearer " + SECRET + "0",
                "Authorization: Bearer " + SECRET.substring(1),
                "Authorization: Basic " + SECRET,
                "Authorization: " + SECRET,
                "Cookie: token=" + SECRET)) {
            assertEquals(401, status("GET /api", "Host: localhost", each), each);
        }
        assertEquals(401, status("GET /api?token=" + SECRET, "Host: localhost"));
        assertEquals(401, status("GET /open/../api", "Host: localhost"));
        assertEquals(200, status("GET /open;x", "Host: localhost"), "the same path, for all that look at it");
    }

    @Test
    void namesThatAreNotOursAreRefused() throws Exception {
        for (String each : List.of("localhost:9980", "127.0.0.1", "192.0.2.7:1", "[::1]:9980", "DISKS.example")) {
            assertEquals(200, status("GET /api", "Host: " + each, TOKEN), each);
        }
        for (String each : List.of("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "1.2.3.4x")) {
            assertEquals(421, status("GET /api", "Host: " + each, TOKEN), each);
            assertEquals(421, status("GET /open", "Host: " + each), each);
        }
    }

    @Test
    void pagesFromElsewhereAreRefused() throws Exception {
        assertEquals(200, status("POST /api", "Host: localhost:9980", TOKEN, "Origin: http://localhost:9980"));
        assertEquals(200, status("POST /api", "Host: localhost", TOKEN, "Origin: http://localhost"));
        for (String each : List.of(
                "null",
                "https://localhost:9980",
                "http://localhost:9981",
                "http://localhost",
                "http://evil.example",
                "http://localhost:9980.evil.example")) {
            assertEquals(403, status("POST /api", "Host: localhost:9980", TOKEN, "Origin: " + each), each);
        }
        assertEquals(403, status("GET /api", "Host: localhost", TOKEN, "Sec-Fetch-Site: cross-site"));
        assertEquals(403, status("GET /api", "Host: localhost", TOKEN, "Sec-Fetch-Site: same-site"));
        assertEquals(200, status("GET /api", "Host: localhost", TOKEN, "Sec-Fetch-Site: same-origin"));
        assertEquals(200, status("GET /open", "Host: localhost", "Sec-Fetch-Site: cross-site"), "a link to the page");
    }

    @Test
    void allAnswersForbidWhatBrowsersWouldAllow() throws Exception {
        for (String each : List.of("GET /open", "GET /api")) {
            String answer = ask(each, "Host: localhost");
            assertTrue(answer.contains("Content-Security-Policy: default-src 'none'; script-src 'self';"), answer);
            assertTrue(answer.contains("X-Content-Type-Options: nosniff"), answer);
            assertTrue(answer.contains("frame-ancestors 'none'"), answer);
            assertTrue(!answer.contains("Access-Control"), answer);
        }
        assertTrue(ask("GET /api", "Host: localhost").contains("WWW-Authenticate: Bearer"));
    }
}
