package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.linux.Libc;
import org.blktap.linux.UnixListener;

/** A listening socket, and one client at a time; a second one waits to be accepted until the first has gone. Loop only. */
final class VhostUserNode implements DeviceNode {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.vhost-user");
    /** How long to accept nobody after the system has refused, e.g. for want of descriptors. */
    private static final long RETRY_MILLISECONDS = 1000;

    private final NodeContext context;
    private final UnixListener listener;
    private final int queues;
    private IoLoop.Watch watch;
    private IoLoop.Timer retry;
    private FrontendConnection client;
    private long clients;
    private boolean closed;

    VhostUserNode(NodeContext context, UnixListener listener, int queues) {
        this.context = context;
        this.listener = listener;
        this.queues = queues;
        listen();
    }

    private void listen() {
        retry = null;
        watch = context.loop().watch(listener.fd(), IoLoop.READABLE, this::ready);
    }

    private void stopListening() {
        if (watch != null) {
            watch.close();
            watch = null;
        }
        if (retry != null) {
            retry.cancel();
            retry = null;
        }
    }

    private void ready(int events) {
        int fd = listener.accept();
        if (fd >= 0) {
            stopListening();
            clients++;
            LOG.log(Level.INFO, context.id() + ": a client has connected to " + listener.path());
            client = new FrontendConnection(context, fd, queues, this::clientGone);
            return;
        }
        int errno = Libc.errno();
        if (errno != Errno.EAGAIN && errno != Errno.EINTR) {
            stopListening();
            LOG.log(Level.WARNING, context.id() + ": cannot accept a client on " + listener.path() + ": "
                    + Errno.text(errno));
            retry = context.loop().schedule(this::listen, RETRY_MILLISECONDS);
        }
    }

    private void clientGone() {
        client = null;
        if (!closed) {
            listen();
        }
    }

    @Override
    public String address() {
        return VhostUserNodeProvider.KIND + ":" + listener.path();
    }

    @Override
    public Map<String, Object> status() {
        Map<String, Object> status = new LinkedHashMap<>();
        status.put("client", client == null ? "none" : client.ending() ? "leaving" : "connected");
        status.put("clients so far", clients);
        status.put("queues", queues);
        if (client != null) {
            BlkDevice device = client.device();
            status.putAll(device.status());
            status.put("protocol features", "0x" + Long.toHexString(client.handler().protocolFeatures()));
        }
        return status;
    }

    @Override
    public void resumed() {
        // the loop asks the device's stage again in this turn, and that looks into its rings
    }

    @Override
    public void resized() {
        if (client != null && !client.ending()) {
            client.handler().configChanged();
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        stopListening();
        if (client != null) {
            client.close();
        }
        listener.close();
    }
}
