package org.blktap.node.nbd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;
import org.blktap.linux.Libc;

/** One attachment as an NBD export. All on its loop, but {@link #info} and {@link #accept}. */
final class NbdNode implements DeviceNode {
    private static final Logger LOG = System.getLogger("org.blktap.node.nbd");

    private final NodeContext context;
    private final String name;
    private final List<NbdConnection> connections = new ArrayList<>();
    private volatile ExportInfo info;
    private NbdServer server;
    private List<String> addresses = List.of();
    private boolean closed;

    NbdNode(NodeContext context, String name) {
        this.context = context;
        this.name = name;
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

    /** What the handshake tells; any thread. */
    ExportInfo info() {
        return info;
    }

    IoLoop loop() {
        return context.loop();
    }

    DiskPort port() {
        return context.port();
    }

    /** Takes a client whose handshake is done; the server's control loop. */
    void accept(int fd, Session session, ByteBuffer early) {
        try {
            context.loop().execute(() -> connect(fd, session, early));
        } catch (RejectedExecutionException e) {
            // the attachment has ended meanwhile
            refuse(fd);
        }
    }

    private void connect(int fd, Session session, ByteBuffer early) {
        if (closed) {
            refuse(fd);
            return;
        }
        try {
            connections.add(new NbdConnection(this, context.memory(), fd, session, early));
        } catch (IllegalStateException | OutOfMemoryError e) {
            // the system has no memory or no place in epoll for one more client; the others go on
            LOG.log(Level.WARNING, address() + ": a client is turned away: " + e.getMessage());
            refuse(fd);
        }
    }

    private void refuse(int fd) {
        Libc.close(fd);
        server.clientEnded();
    }

    /** A client is gone, with all that it held. */
    void ended(NbdConnection connection) {
        connections.remove(connection);
        server.clientEnded();
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
        return status;
    }

    @Override
    public void resumed() {
        refresh();
        for (NbdConnection connection : connections) {
            connection.resumed();
        }
    }

    @Override
    public void resized() {
        refresh();
    }

    private void refresh() {
        info = ExportInfo.of(name, "blktap attachment " + context.id(), context.port().info());
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        server.remove(this);
        for (NbdConnection connection : List.copyOf(connections)) {
            connection.shutDown();
        }
    }
}
