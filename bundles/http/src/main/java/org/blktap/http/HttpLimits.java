package org.blktap.http;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntSupplier;
import org.osgi.service.component.annotations.Component;

/** Reports how much of the server's limits is in use. Thread-safe. */
@Component(service = HttpLimits.class)
public final class HttpLimits {
    private volatile IntSupplier connections = () -> 0;
    private volatile IntSupplier followers = () -> 0;

    void show(IntSupplier ofConnections, IntSupplier ofFollowers) {
        connections = ofConnections;
        followers = ofFollowers;
    }

    /** Returns by name of the limit what is in use, and the limit. */
    public Map<String, long[]> all() {
        Map<String, long[]> limits = new LinkedHashMap<>();
        limits.put("http_connections", new long[] {connections.getAsInt(), JettyServer.CONNECTIONS});
        limits.put("http_followers", new long[] {followers.getAsInt(), EventStream.FOLLOWERS});
        return limits;
    }
}
