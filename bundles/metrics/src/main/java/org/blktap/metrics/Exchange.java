package org.blktap.metrics;

import io.prometheus.metrics.exporter.common.PrometheusHttpExchange;
import io.prometheus.metrics.exporter.common.PrometheusHttpRequest;
import io.prometheus.metrics.exporter.common.PrometheusHttpResponse;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One request of HTTP/1 and its answer, after which the connection ends: the part of RFC 9112 that a scrape needs. The
 * request has no body, and its lines are ASCII. One thread.
 */
final class Exchange implements PrometheusHttpExchange, PrometheusHttpRequest, PrometheusHttpResponse {
    /** The most bytes of a request with its headers; Prometheus sends fewer than 1000. */
    static final int REQUEST_BYTES = 8192;

    private static final String PATH = "/metrics";
    private static final int OUTPUT_BYTES = 1 << 16;
    private static final Pattern REQUEST = Pattern.compile("(GET|HEAD) ([!-~]+) HTTP/1\\.[01]");
    private static final Pattern HEADER = Pattern.compile("([!-9;-~]+):[ \t]*(.*?)[ \t]*");

    private final OutputStream out;
    private final String method;
    private final String query;
    private final Map<String, String> headers;
    private final Map<String, String> answer = new LinkedHashMap<>();
    private boolean begun;

    private Exchange(OutputStream out, String method, String query, Map<String, String> headers) {
        this.out = out;
        this.method = method;
        this.query = query;
        this.headers = headers;
    }

    /** Reads a request. Returns null if it cannot be answered, after telling the client so. */
    static Exchange read(SocketChannel client) throws IOException {
        OutputStream out = new BufferedOutputStream(Channels.newOutputStream(client), OUTPUT_BYTES);
        String head = head(client);
        List<String> lines = head == null ? List.of("") : List.of(head.split("\r\n", -1));
        Matcher first = REQUEST.matcher(lines.get(0));
        if (!first.matches()) {
            refuse(out, head != null && head.matches("(?s)[A-Z]+ [!-~]+ HTTP/1\\.[01]\r\n.*") ? 405 : 400);
            return null;
        }
        String target = first.group(2);
        int mark = target.indexOf('?');
        if (!PATH.equals(mark < 0 ? target : target.substring(0, mark))) {
            refuse(out, 404);
            return null;
        }
        Map<String, String> headers = new LinkedHashMap<>();
        for (String line : lines.subList(1, lines.size())) {
            if (line.isEmpty()) {
                break;
            }
            Matcher header = HEADER.matcher(line);
            if (!header.matches()) {
                refuse(out, 400);
                return null;
            }
            // several headers of one name are one list
            headers.merge(lower(header.group(1)), header.group(2), (one, other) -> one + "," + other);
        }
        return new Exchange(out, first.group(1), mark < 0 ? null : target.substring(mark + 1), headers);
    }

    /** Returns the request's lines up to the empty one; null if the client sends no more, or too much. */
    private static String head(SocketChannel client) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(REQUEST_BYTES);
        while (buffer.hasRemaining() && client.read(buffer) > 0) {
            String text = new String(buffer.array(), 0, buffer.position(), StandardCharsets.ISO_8859_1);
            int end = text.indexOf("\r\n\r\n");
            if (end >= 0) {
                return text.substring(0, end + 2);
            }
        }
        return null;
    }

    private static String lower(String name) {
        return name.toLowerCase(java.util.Locale.ROOT);
    }

    private static void refuse(OutputStream out, int status) throws IOException {
        try (OutputStream ending = out) {
            start(ending, status, Map.of("Content-Length", "0"));
        }
    }

    private static void start(OutputStream out, int status, Map<String, String> headers) throws IOException {
        StringBuilder text = new StringBuilder("HTTP/1.1 ")
                .append(status)
                .append(status == 200 ? " OK" : " Error")
                .append("\r\nConnection: close\r\n");
        headers.forEach(
                (name, value) -> text.append(name).append(": ").append(value).append("\r\n"));
        out.write(text.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
    }

    // ---- called by the library

    @Override
    public PrometheusHttpRequest getRequest() {
        return this;
    }

    @Override
    public PrometheusHttpResponse getResponse() {
        return this;
    }

    @Override
    public String getMethod() {
        return method;
    }

    @Override
    public String getRequestPath() {
        return PATH;
    }

    @Override
    public String getQueryString() {
        return query;
    }

    @Override
    public Enumeration<String> getHeaders(String name) {
        String value = headers.get(lower(name));
        return value == null ? Collections.emptyEnumeration() : Collections.enumeration(List.of(value));
    }

    @Override
    public void setHeader(String name, String value) {
        answer.put(name, value);
    }

    /** {@inheritDoc} A body of unknown length ends with the connection. */
    @Override
    public OutputStream sendHeadersAndGetBody(int status, int length) throws IOException {
        begun = true;
        start(out, status, answer);
        return out;
    }

    @Override
    public void handleException(IOException e) throws IOException {
        throw e;
    }

    @Override
    public void handleException(RuntimeException e) {
        if (!begun) {
            try {
                refuse(out, 500);
            } catch (IOException other) {
                e.addSuppressed(other);
            }
        }
        throw e;
    }

    @Override
    public void close() {
        try {
            out.close();
        } catch (IOException e) {
            System.getLogger("org.blktap.metrics").log(System.Logger.Level.DEBUG, "a client left: " + e);
        }
    }
}
