package org.blktap.http;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntSupplier;
import org.osgi.service.component.annotations.Component;

/** What is taken of the limits of the server, for those who show it. Thread-safe. */
@Component(service = HttpLimits.class)
public final class HttpLimits {
    private volatile IntSupplier connections = () -> 0;
    private volatile IntSupplier followers = () -> 0;

    void show(IntSupplier ofConnections, IntSupplier ofFollowers) {
        connections = ofConnections;
        followers = ofFollowers;
    }

    /** What is taken, and what can be: two numbers by name. */
    public Map<String, long[]> all() {
        Map<String, long[]> limits = new LinkedHashMap<>();
        limits.put("http_connections", new long[] {connections.getAsInt(), JettyServer.CONNECTIONS});
        limits.put("http_followers", new long[] {followers.getAsInt(), EventStream.FOLLOWERS});
        return limits;
    }
}
