package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.linux.Libc;
import org.blktap.linux.UnixListener;

/** A listening socket, and one client at a time; a second one is accepted when the first has gone. Loop only. */
final class VhostUserNode implements DeviceNode {
    /** How long no client is accepted after accept has failed, for example for lack of descriptors. */
    private static final long RETRY_MILLISECONDS = 1000;
    /** Interval at which the socket's file is checked, while the node waits for a client. */
    private static final long LOOK_MILLISECONDS = 2000;

    private final NodeContext context;
    private final UnixListener listener;
    private final int queues;
    private final NodeParts parts;
    private IoLoop.Watch watch;
    private IoLoop.Timer retry;
    private IoLoop.Timer look;
    private boolean lossTold;
    private FrontendConnection client;
    private long clients;
    private boolean disconnected;
    private boolean closed;

    VhostUserNode(NodeContext context, UnixListener listener, int queues, VhostUserLimits limits) {
        this.parts = new NodeParts(new ClientLog(context.id()), new BlockingCalls(context.id()), limits);
        this.context = context;
        this.listener = listener;
        this.queues = queues;
        listen();
    }

    private void listen() {
        retry = null;
        watch = context.loop().watch(listener.fd(), IoLoop.READABLE, this::ready);
        look = context.loop().schedule(this::look, LOOK_MILLISECONDS);
    }

    /** Makes the socket's file again if somebody has deleted it: without it no VM could connect again. */
    private void look() {
        try {
            restore();
            lossTold = false;
        } catch (DiskException e) {
            if (!lossTold) {
                lossTold = true;
                parts.log().log(
                        Level.WARNING,
                        "the socket was deleted from outside, and cannot be made again: " + e.getMessage());
            }
        }
        if (watch != null) {
            look = context.loop().schedule(this::look, LOOK_MILLISECONDS);
        }
    }

    private void restore() throws DiskException {
        if (listener.restore()) {
            parts.log().log(Level.WARNING, listener.path() + ": the socket was deleted from outside; made again");
            watch.close();
            watch = context.loop().watch(listener.fd(), IoLoop.READABLE, this::ready);
        }
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
        if (look != null) {
            look.cancel();
            look = null;
        }
    }

    private void ready(int events) {
        if (parts.calls().overloaded()) {
            // descriptors of an earlier client are not closed yet, and this client's would be added to them
            later();
            return;
        }
        int fd = listener.accept();
        if (fd >= 0) {
            welcome(fd);
            return;
        }
        int errno = Libc.errno();
        if (errno != Errno.EAGAIN && errno != Errno.EINTR) {
            parts.log().log(Level.WARNING, "cannot accept a client on " + listener.path() + ": " + Errno.text(errno));
            later();
        }
    }

    private void welcome(int fd) {
        stopListening();
        clients++;
        parts.log().log(Level.INFO, "a client has connected to " + listener.path());
        try {
            client = new FrontendConnection(context, fd, queues, parts, this::clientGone);
            context.clientConnected("");
        } catch (RuntimeException | Error e) {
            parts.log().log(Level.ERROR, "cannot serve a client", e);
            later();
        }
    }

    private void later() {
        stopListening();
        retry = context.loop().schedule(this::listenAgain, RETRY_MILLISECONDS);
    }

    private void listenAgain() {
        try {
            listen();
        } catch (RuntimeException | Error e) {
            parts.log().log(Level.ERROR, "cannot wait for clients on " + listener.path(), e);
            later();
        }
    }

    private void clientGone() {
        client = null;
        context.clientDisconnected("");
        if (!closed && !disconnected) {
            listenAgain();
        }
    }

    @Override
    public String address() {
        return VhostUserNodeProvider.KIND + ":" + FileNames.text(listener.path());
    }

    @Override
    public Map<String, Object> status() {
        Map<String, Object> status = new LinkedHashMap<>();
        status.put("client", client == null ? "none" : client.ending() ? "leaving" : "connected");
        status.put("clients so far", clients);
        status.put("queues", queues);
        if (client != null) {
            VirtioBlkDevice device = client.device();
            status.putAll(device.status());
            status.put(
                    "protocol features",
                    "0x" + Long.toHexString(client.handler().protocolFeatures()));
        }
        return status;
    }

    @Override
    public boolean mayWrite() {
        return client != null;
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
    public void disconnect() {
        if (closed || disconnected) {
            return;
        }
        disconnected = true;
        stopListening();
        listener.close();
        if (client != null) {
            client.disconnect();
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
        if (!disconnected) {
            listener.close();
        }
    }
}
