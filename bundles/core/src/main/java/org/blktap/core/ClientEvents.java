package org.blktap.core;

import java.util.Map;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.Pace;
import org.blktap.api.event.Event;

/**
 * The events of the clients of one attachment's nodes. A client can connect any number of times: after a burst, events
 * are counted, and one in a minute has the number. Loop only.
 */
final class ClientEvents {
    private static final int AT_ONCE = 20;
    private static final long MINUTE_MILLIS = 60_000;

    private final String id;
    private final IoLoop loop;
    private final Announcements announcements;
    private final Pace pace = new Pace(AT_ONCE, MINUTE_MILLIS);
    private long connected;
    private long disconnected;

    ClientEvents(String id, IoLoop loop, Announcements announcements) {
        this.id = id;
        this.loop = loop;
        this.announcements = announcements;
    }

    void connected(String node, String client) {
        if (counts()) {
            connected++;
        } else {
            announcements.publish(
                    Event.CONNECTED,
                    id,
                    (client.isEmpty() ? "a client" : client) + " has connected to " + node,
                    Map.of("node", node, "client", client));
        }
    }

    void disconnected(String node, String client) {
        if (counts()) {
            disconnected++;
        } else {
            announcements.publish(
                    Event.DISCONNECTED,
                    id,
                    (client.isEmpty() ? "a client" : client) + " has disconnected from " + node,
                    Map.of("node", node, "client", client));
        }
    }

    /** Whether an event is only counted. */
    private boolean counts() {
        if (connected + disconnected > 0) {
            return true;
        }
        if (pace.now()) {
            return false;
        }
        loop.schedule(this::total, MINUTE_MILLIS);
        return true;
    }

    private void total() {
        announcements.publish(
                Event.CONNECTED,
                id,
                "within a minute, clients have connected " + connected + " times more, and disconnected " + disconnected
                        + " times",
                Map.of("connected", connected, "disconnected", disconnected));
        connected = 0;
        disconnected = 0;
    }
}
