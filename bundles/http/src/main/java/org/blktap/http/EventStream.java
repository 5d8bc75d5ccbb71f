package org.blktap.http;

import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.Fields;

/**
 * The events of the daemon as server-sent events. One thread waits for events and makes the followers read them, each
 * from its own place in the history. A slow follower does not delay others; the stream reports the events that it has
 * missed.
 */
final class EventStream extends Handler.Abstract.NonBlocking {
    static final String PATH = "/api/v1/events";
    static final int FOLLOWERS = 64;
    /** Interval of lines that show a client that the daemon is alive, and the daemon that a client has gone. */
    private static final Duration SIGN_OF_LIFE = Duration.ofSeconds(5);

    private static final Duration ABSENT = Duration.ofSeconds(1);
    private static final int BATCH = 256;
    private static final String LAST_EVENT_ID = "Last-Event-ID";
    private static final System.Logger LOG = System.getLogger("org.blktap.http");

    private final Supplier<Events> service;
    private final Set<Follower> followers = ConcurrentHashMap.newKeySet();
    private Thread pump;

    /** @param service the service at this moment, or null */
    EventStream(Supplier<Events> service) {
        this.service = service;
    }

    int followers() {
        return followers.size();
    }

    @Override
    protected void doStart() throws Exception {
        super.doStart();
        pump = new Thread(this::pump, "blktap-http-events");
        pump.setDaemon(true);
        pump.start();
    }

    @Override
    protected void doStop() throws Exception {
        pump.interrupt();
        followers.forEach(Follower::end);
        super.doStop();
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        if (!Request.getPathInContext(request).equals(PATH)) {
            return false;
        }
        Problem problem = begin(request, response, callback);
        if (problem != null) {
            problem.write(response, callback);
        }
        return true;
    }

    private Problem begin(Request request, Response response, Callback callback) {
        if (!request.getMethod().equals("GET")) {
            response.getHeaders().put(HttpHeader.ALLOW, "GET");
            return new Problem(HttpStatus.METHOD_NOT_ALLOWED_405, "events are only read");
        }
        Events events = service.get();
        if (events == null) {
            return new Problem(
                    HttpStatus.SERVICE_UNAVAILABLE_503, "the history of events is not active; blktap diag shows why");
        }
        long after;
        try {
            after = after(request, events);
        } catch (IllegalArgumentException e) {
            return new Problem(
                    HttpStatus.BAD_REQUEST_400,
                    "bad number of an event: expected " + LAST_EVENT_ID + ": N or ?after=N");
        }
        Follower follower = new Follower(events, after, response, callback, followers::remove);
        synchronized (this) {
            if (followers.size() >= FOLLOWERS) {
                response.getHeaders().put(HttpHeader.RETRY_AFTER, "10");
                response.getHeaders().put(HttpHeader.CONNECTION, "close");
                return new Problem(
                        HttpStatus.SERVICE_UNAVAILABLE_503, "there are " + FOLLOWERS + " followers of events already");
            }
            followers.add(follower);
        }
        follower.begin();
        return null;
    }

    /** Returns the number after which the client wants events; without one, the number of the last event. */
    private static long after(Request request, Events events) {
        String text = request.getHeaders().get(LAST_EVENT_ID);
        if (text == null) {
            Fields query = Request.extractQueryParameters(request);
            text = query.getValue("after");
        }
        if (text == null) {
            return events.last();
        }
        if (!text.matches("\\d{1,18}")) {
            throw new IllegalArgumentException(text);
        }
        long number = Long.parseLong(text);
        return number == 0 ? -1 : number;
    }

    private void pump() {
        Events events = null;
        long at = 0;
        try {
            while (!Thread.currentThread().isInterrupted()) {
                Events now = service.get();
                if (now == null) {
                    Thread.sleep(ABSENT.toMillis());
                    continue;
                }
                if (now != events) {
                    events = now;
                    at = now.last();
                }
                at = await(now, at);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private long await(Events events, long at) throws InterruptedException {
        try {
            List<Event> found = events.read(at, BATCH, SIGN_OF_LIFE);
            followers.forEach(found.isEmpty() ? Follower::showLife : Follower::iterate);
            return found.isEmpty() ? at : found.get(found.size() - 1).sequence();
        } catch (IllegalStateException e) {
            LOG.log(Level.DEBUG, "the history of events has ended: " + e.getMessage());
            followers.forEach(Follower::end);
            Thread.sleep(ABSENT.toMillis());
            return at;
        }
    }
}
