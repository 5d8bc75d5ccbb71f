package org.blktap.http;

import java.net.SocketAddress;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.NanoTime;

/**
 * Ends connections on which no request is completed, since the client sends nothing, or a handshake or headers a byte
 * at a time. Jetty's own limit begins anew with each byte.
 */
final class Connections extends Handler.Wrapper implements Runnable {
    /** Time limit from the accept, or the end of a request, to the end of the next request's headers. */
    private static final long WAIT_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final int LOOK_SECONDS = 2;

    /** When the last request of a client ended, by its address. */
    private final Map<SocketAddress, Long> idleSince = new ConcurrentHashMap<>();
    /** Clients that have a request. */
    private final Set<SocketAddress> active = ConcurrentHashMap.newKeySet();

    private final List<ServerConnector> connectors;

    Connections(List<ServerConnector> connectors) {
        this.connectors = connectors;
    }

    @Override
    protected void doStart() throws Exception {
        super.doStart();
        schedule();
    }

    private void schedule() {
        getServer().getScheduler().schedule(this, LOOK_SECONDS, TimeUnit.SECONDS);
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
        SocketAddress client = request.getConnectionMetaData().getRemoteSocketAddress();
        active.add(client);
        Request.addCompletionListener(request, failure -> {
            idleSince.put(client, NanoTime.now());
            active.remove(client);
        });
        return super.handle(request, response, callback);
    }

    /** Disconnects clients that are beyond the limit. */
    @Override
    public void run() {
        if (!isRunning()) {
            return;
        }
        Set<SocketAddress> gone = new HashSet<>(idleSince.keySet());
        for (ServerConnector connector : connectors) {
            for (EndPoint each : connector.getConnectedEndPoints()) {
                SocketAddress client = each.getRemoteSocketAddress();
                gone.remove(client);
                if (!active.contains(client)) {
                    // a new client begins to wait when it is first seen
                    Long since = idleSince.putIfAbsent(client, NanoTime.now());
                    if (since != null && NanoTime.since(since) > WAIT_NANOS) {
                        each.close();
                    }
                }
            }
        }
        gone.forEach(idleSince::remove);
        schedule();
    }
}
