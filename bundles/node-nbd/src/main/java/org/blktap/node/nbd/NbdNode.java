package org.blktap.node.nbd;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.Quota;

/** One attachment as an NBD export. All on its loop, but {@link #info} and {@link #accept}. */
final class NbdNode implements DeviceNode {
    /** Idle time after which an export frees its buffers. */
    private static final long TRIM_MILLIS = 5_000;
    /** Clients that get a large kernel send buffer. */
    private static final int LARGE_SEND_BUFFERS = 8;

    private final NodeContext context;
    private final String name;
    private final ExportAccess access;
    private final List<ClientConnection> connections = new ArrayList<>();
    private volatile ExportInfo info;
    private NbdServer server;
    private List<String> addresses = List.of();
    private final PayloadBuffers buffers;
    private final ExtentLists extentLists = new ExtentLists();
    private final Starvation starvation;
    private final LimitedLog log = NbdLimits.log();
    /** Frees buffers when no client has sent anything for a while. */
    private IoLoop.Timer trimTimer;

    private boolean active;
    private boolean closed;

    /**
     * @param access of clients that come by TCP
     * @param memory its share of the buffers of all exports
     */
    NbdNode(NodeContext context, String name, ExportAccess access, Quota.Share memory, NbdLimits limits) {
        this.context = context;
        this.name = name;
        this.access = access;
        buffers = new PayloadBuffers(context.memory(), memory);
        starvation = new Starvation(context.loop(), connections, limits.stuckMillis());
        refresh();
    }

    /** The server shows this export from now on. */
    void opened(NbdServer by, List<String> at) {
        server = by;
        addresses = at;
    }

    String name() {
        return name;
    }

    ExportAccess access() {
        return access;
    }

    /** What the handshake announces; any thread. */
    ExportInfo info() {
        return info;
    }

    IoLoop loop() {
        return context.loop();
    }

    DiskPort port() {
        return context.port();
    }

    /** The attachment's id. */
    String attachment() {
        return context.id();
    }

    PayloadBuffers buffers() {
        return buffers;
    }

    ExtentLists extentLists() {
        return extentLists;
    }

    Starvation starvation() {
        return starvation;
    }

    LimitedLog log() {
        return log;
    }

    /** A client has sent something. */
    void active() {
        active = true;
        if (trimTimer == null) {
            trimTimer = loop().schedule(this::trim, TRIM_MILLIS);
        }
    }

    private void trim() {
        trimTimer = null;
        if (!closed && active) {
            active = false;
            trimTimer = loop().schedule(this::trim, TRIM_MILLIS);
        } else {
            buffers.trim();
        }
    }

    /**
     * Takes a client whose handshake is done; the server's control loop.
     *
     * @param place taken for it
     */
    void accept(Arrival arrival, Quota.Share place) {
        try {
            context.loop().execute(() -> connect(arrival, place));
        } catch (RejectedExecutionException e) {
            // the attachment has ended meanwhile
            refuse(arrival, place);
        }
    }

    private void connect(Arrival arrival, Quota.Share place) {
        if (closed) {
            refuse(arrival, place);
            return;
        }
        Receiver receiver = null;
        ReplyQueue replies = null;
        try {
            receiver = new Receiver(context.memory());
            receiver.put(arrival.early());
            replies = new ReplyQueue(context.memory(), arrival.session().framing());
            connections.add(new ClientConnection(
                    this, receiver, replies, arrival, connections.size() < LARGE_SEND_BUFFERS, place));
            context.clientConnected("");
        } catch (RuntimeException | Error e) {
            // the system has no memory or no place in epoll for one more client; the others go on
            log.log(Level.WARNING, address() + ": a client is turned away: " + e);
            if (receiver != null) {
                receiver.close();
            }
            if (replies != null) {
                replies.close();
            }
            refuse(arrival, place);
        }
    }

    private void refuse(Arrival arrival, Quota.Share place) {
        arrival.refuse();
        place.give(1);
        server.clientEnded();
    }

    /** A client is gone, with all that it held. */
    void ended(ClientConnection connection) {
        connections.remove(connection);
        context.clientDisconnected("");
        server.clientEnded();
        if (closed && connections.isEmpty()) {
            buffers.close();
        }
    }

    @Override
    public String address() {
        return String.join(" ", addresses);
    }

    @Override
    public Map<String, Object> status() {
        Map<String, Object> status = new LinkedHashMap<>();
        status.put("export", name);
        status.put("clients", connections.size());
        if (access.tls() != TlsMode.OFF) {
            status.put("tls", access.tls().text());
        }
        return status;
    }

    @Override
    public boolean mayWrite() {
        return !connections.isEmpty() && !context.port().info().readOnly();
    }

    @Override
    public void resumed() {
        refresh();
        for (ClientConnection connection : connections) {
            connection.resumed();
        }
    }

    @Override
    public void resized() {
        refresh();
    }

    private void refresh() {
        info = ExportInfo.of(
                        name,
                        "blktap attachment " + context.id(),
                        context.port().info())
                .withAccess(access);
    }

    /** Buffers of requests in flight stay until these end, here as in {@link #close}. */
    @Override
    public void disconnect() {
        close();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        server.remove(this);
        for (ClientConnection connection : List.copyOf(connections)) {
            connection.shutDown();
        }
        starvation.close();
        if (trimTimer != null) {
            trimTimer.cancel();
        }
        buffers.trim();
    }
}
