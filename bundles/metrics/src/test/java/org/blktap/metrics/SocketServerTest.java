package org.blktap.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.zip.GZIPInputStream;
import org.blktap.api.disk.DiskException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Clients of the unix socket, good and bad. */
@Timeout(120)
class SocketServerTest {
    private static final String GET = "GET /metrics HTTP/1.1\r\nHost: x\r\n";

    @TempDir
    Path directory;

    private Path path;
    private final PrometheusRegistry registry = new PrometheusRegistry();
    private SocketServer server;

    @BeforeEach
    void start() throws Exception {
        path = directory.resolve("m");
        Gauge.builder().name("blktap_g").help("A.").register(registry).set(7);
        server = new SocketServer(SocketFile.listen(path, 0660, ""), registry);
    }

    @AfterEach
    void stop() throws Exception {
        server.close();
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(path));
    }

    private static void send(SocketChannel client, String text) throws IOException {
        client.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1)));
    }

    private static String rest(SocketChannel client) throws IOException {
        return new String(Channels.newInputStream(client).readAllBytes(), StandardCharsets.ISO_8859_1);
    }

    /** One that was not accepted yet is reset. */
    private static String restOrReset(SocketChannel client) {
        try {
            return rest(client);
        } catch (IOException e) {
            return "";
        }
    }

    private String ask(String request) throws IOException {
        try (SocketChannel client = connect()) {
            send(client, request);
            return rest(client);
        }
    }

    @Test
    void aScrapeIsAnswered() throws Exception {
        String answer = ask(GET + "\r\n");
        assertTrue(answer.startsWith("HTTP/1.1 200 OK\r\nConnection: close\r\n"), answer);
        assertTrue(answer.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), answer);
        assertTrue(answer.endsWith("\nblktap_g 7.0\n"), answer);
        String open = ask(GET + "Accept: application/openmetrics-text; version=1.0.0\r\n\r\n");
        assertTrue(open.contains("application/openmetrics-text; version=1.0.0") && open.endsWith("# EOF\n"), open);
        assertTrue(ask("GET /metrics?name[]=nothing HTTP/1.0\r\n\r\n").endsWith("\r\n\r\n"), "a filter by name");
        assertTrue(ask("HEAD /metrics HTTP/1.1\r\n\r\n").endsWith("\r\n\r\n"));
    }

    @Test
    void anAnswerIsCompressedForThoseWhoAsk() throws Exception {
        String answer = ask(GET + "Accept-Encoding: gzip\r\n\r\n");
        byte[] body = answer.substring(answer.indexOf("\r\n\r\n") + 4).getBytes(StandardCharsets.ISO_8859_1);
        assertTrue(
                new String(new GZIPInputStream(new ByteArrayInputStream(body)).readAllBytes(), StandardCharsets.UTF_8)
                        .endsWith("\nblktap_g 7.0\n"));
    }

    @ParameterizedTest
    @CsvSource({
        "GET / HTTP/1.1, 404",
        "GET /metrics/ HTTP/1.1, 404",
        "GET /metrics/../metrics HTTP/1.1, 404",
        "POST /metrics HTTP/1.1, 405",
        "GET /metrics, 400",
        "GET  /metrics HTTP/1.1, 400",
        "get /metrics HTTP/1.1, 400",
        "GET /metrics HTTP/2.0, 400",
        "\u0016\u0003\u0001, 400"
    })
    void whatIsNoScrapeIsRefused(String line, int status) throws Exception {
        String answer = ask(line + "\r\n\r\n");
        assertTrue(answer.startsWith("HTTP/1.1 " + status + " "), answer);
        assertTrue(ask(GET + "\r\n").contains(" 200 OK"));
    }

    @Test
    void aRequestIsBounded() throws Exception {
        assertTrue(ask(GET + "no header\r\n\r\n").startsWith("HTTP/1.1 400 "));
        String answer = ask(GET + "X: " + "x".repeat(Exchange.REQUEST_BYTES - GET.length() - 3));
        assertTrue(answer.startsWith("HTTP/1.1 400 "), answer);
        assertTrue(ask(GET + "\r\n").contains(" 200 OK"));
    }

    @Test
    void aClientThatSendsNothingIsCutOffAndTheNextIsServed() throws Exception {
        try (SocketChannel silent = connect();
                SocketChannel slow = connect()) {
            send(slow, "GET /met");
            assertTrue(ask(GET + "\r\n").contains(" 200 OK"));
            assertEquals("", rest(silent));
        }
    }

    @Test
    void aClientThatReadsNothingIsCutOff() throws Exception {
        for (int i = 0; i < 20_000; i++) {
            Gauge.builder().name("blktap_more_" + i).help("A.").register(registry);
        }
        try (SocketChannel client = connect()) {
            send(client, GET + "\r\n");
            assertTrue(ask("GET / HTTP/1.1\r\n\r\n").contains(" 404 "));
        }
    }

    @Test
    void theSocketIsThereWithItsModeUntilTheClose() throws Exception {
        assertEquals("rw-rw----", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
        assertEquals(
                DiskException.Reason.EXISTS,
                assertThrows(DiskException.class, () -> SocketFile.listen(path, 0600, ""))
                        .reason());
        try (SocketChannel waiting = connect()) {
            server.close();
            assertFalse(Files.exists(path));
            assertEquals("", restOrReset(waiting));
        }
        try (var files = Files.list(directory)) {
            assertEquals(0, files.count(), "nothing is left");
        }
    }

    @Test
    void onlyASocketWithoutAListenerIsReplaced() throws Exception {
        Path file = Files.writeString(directory.resolve("f"), "mine");
        assertThrows(DiskException.class, () -> SocketFile.listen(file, 0600, ""));
        assertEquals("mine", Files.readString(file));
        Path stale = directory.resolve("s");
        ServerSocketChannel left = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        left.bind(UnixDomainSocketAddress.of(stale));
        left.close();
        SocketFile again = SocketFile.listen(stale, 0600, "");
        assertTrue(Files.exists(stale));
        again.close();
        assertThrows(IOException.class, () -> SocketFile.listen(stale, 0600, "no-such-group-here"));
        Path longName = directory.resolve("x".repeat(120));
        assertThrows(DiskException.class, () -> SocketFile.listen(longName, 0600, ""));
        assertFalse(Files.exists(stale));
        try (var files = Files.list(directory)) {
            assertEquals(2, files.count(), "the socket and the file");
        }
    }
}
