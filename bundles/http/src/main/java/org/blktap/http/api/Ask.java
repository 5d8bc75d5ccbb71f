package org.blktap.http.api;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.stream.JsonReader;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** A request, as a route sees it. */
final class Ask {
    /** The most bytes of a JSON body. */
    static final int JSON_BYTES = 64 << 10;

    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final HttpServletRequest request;
    private List<String> segments = List.of();

    Ask(HttpServletRequest request) {
        this.request = request;
    }

    /** Returns the method; HEAD is answered as GET is. */
    String method() {
        return request.getMethod().equals("HEAD") ? "GET" : request.getMethod();
    }

    /** The path after {@code /api/v1}, decoded. */
    String path() {
        String path = request.getPathInfo();
        return path == null ? "/" : path;
    }

    void found(List<String> values) {
        segments = values;
    }

    /** Returns the value of the n-th variable of the route. */
    String segment(int n) {
        return segments.get(n);
    }

    /** Returns a parameter of the query, or null. */
    String query(String name) {
        return request.getParameter(name);
    }

    /** Whether a parameter of the query is true. */
    boolean flag(String name) throws ProblemException {
        String value = query(name);
        if (value == null || value.equals("false")) {
            return false;
        }
        if (value.isEmpty() || value.equals("true")) {
            return true;
        }
        throw new ProblemException(400, "bad parameter " + name + "=" + value + ": expected true or false");
    }

    InputStream body() throws IOException {
        return request.getInputStream();
    }

    long bodyLength() {
        return request.getContentLengthLong();
    }

    String contentType() {
        String type = request.getContentType();
        return type == null ? "" : type.replaceFirst(";.*", "").strip().toLowerCase(Locale.ROOT);
    }

    /** Reads the body, which must be an object; an empty body is an empty object. */
    Body json() throws ProblemException {
        String text = text();
        if (text.isBlank()) {
            return new Body(new JsonObject());
        }
        if (!contentType().equals("application/json")) {
            throw new ProblemException(415, "the body must be application/json");
        }
        try {
            JsonReader reader = new JsonReader(new StringReader(text));
            JsonElement element = JsonParser.parseReader(reader);
            if (element.isJsonObject() && reader.peek() == com.google.gson.stream.JsonToken.END_DOCUMENT) {
                return new Body(element.getAsJsonObject());
            }
            throw new ProblemException(400, "the body must be one JSON object");
        } catch (JsonParseException | IOException | StackOverflowError e) {
            throw new ProblemException(
                    400,
                    "the body is not JSON: "
                            + String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
        }
    }

    private String text() throws ProblemException {
        if (bodyLength() > JSON_BYTES) {
            throw tooLarge();
        }
        try {
            byte[] bytes = read(body());
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new ProblemException(400, "the body is not UTF-8");
        } catch (IOException e) {
            throw new ProblemException(400, "the body cannot be read: " + e.getMessage());
        }
    }

    private static byte[] read(InputStream in) throws IOException, ProblemException {
        byte[] bytes = new byte[JSON_BYTES + 1];
        long begin = System.nanoTime();
        int length = 0;
        for (int read = 0; read >= 0 && length < bytes.length; length += Math.max(0, read)) {
            if (System.nanoTime() - begin > PATIENCE_NANOS) {
                throw new ProblemException(408, "the body comes too slowly");
            }
            read = in.read(bytes, length, bytes.length - length);
        }
        if (length > JSON_BYTES) {
            throw tooLarge();
        }
        return Arrays.copyOf(bytes, length);
    }

    private static ProblemException tooLarge() {
        return new ProblemException(413, "the body is larger than " + JSON_BYTES + " bytes");
    }
}
