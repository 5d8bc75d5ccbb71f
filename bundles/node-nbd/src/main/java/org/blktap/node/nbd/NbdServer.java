package org.blktap.node.nbd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.UnixListener;

/**
 * All exports of one unix socket: its listening sockets, and the handshakes on a control loop that runs while there is
 * an export. {@link #add} and {@link #remove} come from the loops of the attachments, each of which waits for the control loop;
 * the control loop waits for none of them.
 */
final class NbdServer {
    private static final Logger LOG = System.getLogger("org.blktap.node.nbd");

    /** Clients at once, in handshake or transmission. */
    static final int MAX_CLIENTS = 256;
    /** What a node says for no TCP port. */
    static final int NO_TCP = -1;
    /** What a node says if it does not care for the mode of the socket. */
    static final int ANY_MODE = -1;
    /** Only the user of the daemon gets in. */
    static final int DEFAULT_MODE = 0600;
    private static final int SCRATCH_BYTES = 64 << 10;

    private final LoopFactory loops;
    private final Path socket;
    private final long handshakeMillis;
    private final AtomicInteger clients = new AtomicInteger();

    // guarded by this object
    private IoLoop loop;
    private int exports;

    // of the control loop
    private NativeBuffer scratch;
    private Listener unix;
    private int unixMode;
    private final Map<Integer, Listener> tcp = new HashMap<>();
    private final Set<HandshakeClient> handshakes = new HashSet<>();
    private boolean fullTold;

    NbdServer(LoopFactory loops, Path socket, long handshakeMillis) {
        this.loops = loops;
        this.socket = socket;
        this.handshakeMillis = handshakeMillis;
    }

    /**
     * Shows an export, on the unix socket and perhaps on a TCP port of the loopback interface.
     *
     * @param mode of the unix socket, or {@link #ANY_MODE}
     * @param port 0 for any that is free, or {@link #NO_TCP}
     * @throws DiskException EXISTS if the name or the socket's path is taken, BUSY for the port; nothing has changed then
     */
    synchronized void add(NbdNode node, int mode, int port) throws DiskException {
        if (loop == null) {
            loop = loops.start("blktap-nbd");
        }
        try {
            IoLoop control = loop;
            node.opened(this, control.call(() -> show(control, node, mode, port)));
            exports++;
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new DiskException(Reason.IO, socket + ": " + e, e);
        } finally {
            stopIfUnused();
        }
    }

    /** Hides an export; the sockets that only it was behind are gone afterwards. */
    synchronized void remove(NbdNode node) {
        try {
            loop.call(() -> {
                hide(node);
                return null;
            });
        } catch (Exception e) {
            LOG.log(Level.ERROR, socket + ": the export " + node.name() + " could not be hidden", e);
        }
        exports--;
        stopIfUnused();
    }

    private void stopIfUnused() {
        if (exports == 0) {
            loop.close();
            loop = null;
        }
    }

    private List<String> show(IoLoop control, NbdNode node, int mode, int port) throws DiskException {
        if (unix != null && unix.node(node.name()) != null) {
            throw new DiskException(Reason.EXISTS, "an NBD export '" + node.name() + "' exists on " + socket);
        }
        if (unix != null && mode != ANY_MODE && mode != unixMode) {
            throw new DiskException(Reason.BAD_OPTION, "the mode of " + socket + " is " + Integer.toOctalString(unixMode)
                    + ", set by an export that is there, not " + Integer.toOctalString(mode));
        }
        if (scratch == null) {
            scratch = Mapping.anonymous(SCRATCH_BYTES);
        }
        try {
            List<String> addresses = new ArrayList<>();
            Listener byTcp = port == NO_TCP ? null : tcpListener(control, port);
            if (unix == null) {
                unixMode = mode == ANY_MODE ? DEFAULT_MODE : mode;
                UnixListener listening = UnixListener.open(socket, unixMode, null);
                unix = new Listener(control, listening.fd(), socket.toString(), listening::close,
                        (listener, fd) -> client(control, listener, fd));
            }
            unix.add(node);
            if (byTcp != null) {
                byTcp.add(node);
                addresses.add(NbdUri.tcp(byTcp.toString(), node.name()));
            }
            addresses.add(NbdUri.unix(socket.toString(), node.name()));
            return addresses;
        } finally {
            closeUnused();
        }
    }

    private Listener tcpListener(IoLoop control, int port) throws DiskException {
        Listener there = tcp.get(port);
        if (there != null) {
            return there;
        }
        int fd = Sockets.listenLoopback(port);
        int got = Sockets.port(fd);
        Listener listener = new Listener(control, fd, "127.0.0.1:" + got, () -> Libc.close(fd),
                (by, client) -> client(control, by, client));
        tcp.put(got, listener);
        return listener;
    }

    private void hide(NbdNode node) {
        unix.remove(node);
        tcp.values().forEach(listener -> listener.remove(node));
        closeUnused();
    }

    /** Closes the sockets behind which there is nothing; after the last one, the handshakes too. */
    private void closeUnused() {
        tcp.values().removeIf(listener -> {
            if (listener.isUnused()) {
                listener.close();
            }
            return listener.isUnused();
        });
        if (unix != null && unix.isUnused()) {
            unix.close();
            unix = null;
        }
        if (unix == null) {
            List.copyOf(handshakes).forEach(HandshakeClient::close);
            if (scratch != null) {
                scratch.close();
                scratch = null;
            }
        }
    }

    private void client(IoLoop control, Listener listener, int fd) {
        if (clients.incrementAndGet() > MAX_CLIENTS) {
            if (!fullTold) {
                fullTold = true;
                LOG.log(Level.WARNING, listener + ": " + MAX_CLIENTS + " clients are connected, more are turned away");
            }
            Libc.close(fd);
            clientEnded();
            return;
        }
        fullTold = false;
        Sockets.noDelay(fd);
        HandshakeClient client = new HandshakeClient(control, fd, listener.toString(), listener, scratch,
                handshakeMillis, new HandshakeClient.Outcome() {
            @Override
            public void transmission(HandshakeClient done, int socketFd, Session session, ByteBuffer early) {
                handshakes.remove(done);
                handOver(listener, socketFd, session, early);
            }

            @Override
            public void gone(HandshakeClient done) {
                handshakes.remove(done);
                clientEnded();
            }
        });
        handshakes.add(client);
        client.start();
    }

    private void handOver(Listener listener, int fd, Session session, ByteBuffer early) {
        NbdNode node = listener.node(session.export());
        if (node == null) {
            // it went while the last answer was on its way
            Libc.close(fd);
            clientEnded();
        } else {
            node.accept(fd, session, early);
        }
    }

    /** A client is gone; any thread. */
    void clientEnded() {
        clients.decrementAndGet();
    }

    /** Clients in handshake or transmission; any thread. */
    int clients() {
        return clients.get();
    }
}
