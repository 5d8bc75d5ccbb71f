package org.blktap.http;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.blktap.api.disk.FileNames;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.IteratingCallback;

/**
 * One client that follows the events. Writes some events at a time, and the next when these are written; in between, it
 * keeps only its place in the history.
 */
final class Follower extends IteratingCallback {
    private static final int BATCH = 64;
    private static final Gson GSON = new GsonBuilder()
            .disableHtmlEscaping()
            .serializeSpecialFloatingPointValues()
            .create();
    private static final String SIGN_OF_LIFE = ":\n\n";

    private final Events events;
    private final Response response;
    private final Callback callback;
    private final Consumer<Follower> onEnd;
    private long at;
    private volatile boolean sign = true;
    private volatile boolean ending;
    private boolean ended;

    /** @param at the number of the last event that the client knows */
    Follower(Events events, long at, Response response, Callback callback, Consumer<Follower> onEnd) {
        this.events = events;
        this.at = at;
        this.response = response;
        this.callback = callback;
        this.onEnd = onEnd;
    }

    void begin() {
        response.setStatus(HttpStatus.OK_200);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "text/event-stream");
        iterate();
    }

    /** Writes a comment line. */
    void showLife() {
        sign = true;
        iterate();
    }

    /** Ends the answer after the current write. */
    void end() {
        ending = true;
        iterate();
    }

    @Override
    protected Action process() throws InterruptedException {
        if (ended) {
            return Action.SUCCEEDED;
        }
        if (ending) {
            ended = true;
            response.write(true, null, this);
            return Action.SCHEDULED;
        }
        String text = next();
        if (text.isEmpty()) {
            return Action.IDLE;
        }
        response.write(false, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)), this);
        return Action.SCHEDULED;
    }

    private String next() throws InterruptedException {
        StringBuilder text = new StringBuilder();
        if (sign) {
            sign = false;
            text.append(SIGN_OF_LIFE);
        }
        try {
            List<Event> found = events.read(at, BATCH, Duration.ZERO);
            for (Event each : found) {
                at = each.sequence();
                append(text, each);
            }
        } catch (IllegalStateException e) {
            // the service has ended; the client asks again
            ending = true;
        }
        return text.isEmpty() && ending ? SIGN_OF_LIFE : text.toString();
    }

    private static void append(StringBuilder text, Event event) {
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("sequence", event.sequence());
        object.put("timeMillis", event.timeMillis());
        object.put("kind", event.kind());
        object.put("subject", event.subject());
        object.put("text", event.text());
        object.put("details", event.details());
        // the kind's own letters are checked by the history; JSON has no line break
        text.append("id: ").append(event.sequence());
        if (event.kind().matches("[a-z0-9-]+")) {
            text.append("\nevent: ").append(event.kind());
        }
        text.append("\ndata: ").append(FileNames.escaped(GSON.toJson(object))).append("\n\n");
    }

    @Override
    protected void onCompleteSuccess() {
        onEnd.accept(this);
        callback.succeeded();
    }

    @Override
    protected void onCompleteFailure(Throwable cause) {
        onEnd.accept(this);
        callback.failed(cause);
    }
}
