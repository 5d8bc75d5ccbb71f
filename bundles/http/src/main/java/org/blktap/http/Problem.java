package org.blktap.http;

import com.google.gson.JsonObject;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/**
 * Why a request is refused, in the form of RFC 9457.
 *
 * @param detail the daemon's own message, one line
 * @param reason for programs, the name of a {@link DiskException.Reason} in lower case with dashes; null for none
 */
public record Problem(int status, String detail, String reason) {
    /** The media type. */
    public static final String TYPE = "application/problem+json";

    /** A problem of the request itself. */
    public Problem(int status, String detail) {
        this(status, detail, null);
    }

    /** Returns what a failure of the daemon means for the client. */
    public static Problem of(DiskException e) {
        int status = switch (e.reason()) {
            case NOT_FOUND -> HttpStatus.NOT_FOUND_404;
            case EXISTS, BUSY -> HttpStatus.CONFLICT_409;
            case PERMISSION, FORBIDDEN_PATH -> HttpStatus.FORBIDDEN_403;
            case BAD_OPTION -> HttpStatus.BAD_REQUEST_400;
            case WRONG_TYPE, CORRUPT, UNSUPPORTED -> HttpStatus.UNPROCESSABLE_ENTITY_422;
            case NO_SPACE -> HttpStatus.INSUFFICIENT_STORAGE_507;
            case IO -> HttpStatus.INTERNAL_SERVER_ERROR_500;
        };
        return new Problem(
                status,
                e.getMessage(),
                e.reason().name().toLowerCase(java.util.Locale.ROOT).replace('_', '-'));
    }

    /** Returns the problem as JSON. */
    public String json() {
        JsonObject object = new JsonObject();
        object.addProperty("title", HttpStatus.getMessage(status));
        object.addProperty("status", status);
        object.addProperty("detail", detail);
        if (reason != null) {
            object.addProperty("reason", reason);
        }
        return FileNames.escaped(object.toString());
    }

    /** Answers a request with the problem. */
    void write(Response response, Callback callback) {
        response.setStatus(status);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, TYPE);
        byte[] bytes = json().getBytes(StandardCharsets.UTF_8);
        response.getHeaders().put(HttpHeader.CONTENT_LENGTH, bytes.length);
        response.write(true, ByteBuffer.wrap(bytes), callback);
    }
}
