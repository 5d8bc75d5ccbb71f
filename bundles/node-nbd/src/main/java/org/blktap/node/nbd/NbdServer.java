package org.blktap.node.nbd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.node.Quota;
import org.blktap.linux.KeptSockets;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.ServiceManager;
import org.blktap.linux.SocketAccess;
import org.blktap.linux.UnixListener;
import org.blktap.tls.TcpEndpoint;

/**
 * All exports of one unix socket: its listening sockets, and the handshakes on a control loop that runs while there is
 * an export. {@link #add} and {@link #remove} come from the loops of the attachments, each of which waits for the
 * control loop; the control loop waits for none of them.
 */
final class NbdServer {
    private static final Logger LOG = System.getLogger("org.blktap.node.nbd");

    /** Interval at which the socket's file is checked. */
    private static final long LOOK_MILLIS = 2_000;

    private static final int SCRATCH_BYTES = 64 << 10;

    private final LoopFactory loops;
    private final Path socket;
    private final Supplier<NbdLimits> limits;
    private final Quota places;
    private final AtomicInteger clients = new AtomicInteger();
    private final Listener.ClientCount count = new Listener.ClientCount() {
        @Override
        public void begins() {
            clients.incrementAndGet();
        }

        @Override
        public void ended() {
            clientEnded();
        }
    };

    // guarded by this object
    private IoLoop loop;
    private int exports;

    // of the control loop
    private NativeBuffer scratch;
    private Listener unix;
    private UnixListener unixSocket;
    private SocketAccess unixAccess;
    /** What its exports have asked for, which those that ask for nothing leave as it is. */
    private SocketAccess unixAsked;

    private boolean lossTold;
    private final Map<TcpEndpoint, Listener> tcp = new HashMap<>();

    /** @param places for clients, of all servers */
    NbdServer(LoopFactory loops, Path socket, Supplier<NbdLimits> limits, Quota places) {
        this.loops = loops;
        this.socket = socket;
        this.limits = limits;
        this.places = places;
    }

    /**
     * Shows an export, on the unix socket and perhaps on a TCP port; only there if the attachment has it on the unix
     * socket already.
     *
     * @param asked what the unix socket must have, also if it is there
     * @param usual what it gets besides if it is made
     * @param port null for none
     * @throws DiskException EXISTS if the name or the socket's path is taken, BUSY for the port; nothing has changed
     *     then
     */
    synchronized void add(NbdNode node, SocketAccess asked, SocketAccess usual, TcpPort port) throws DiskException {
        if (loop == null) {
            loop = loops.start("blktap-nbd");
        }
        try {
            IoLoop control = loop;
            node.opened(this, control.call(() -> show(control, node, asked, usual, port)));
            exports++;
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new DiskException(Reason.IO, socket + ": " + e, e);
        } finally {
            stopIfUnused();
        }
    }

    /** Hides an export; the sockets that served only it are gone afterwards. */
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

    private List<String> show(IoLoop control, NbdNode node, SocketAccess asked, SocketAccess usual, TcpPort port)
            throws DiskException {
        NbdNode there = unix == null ? null : unix.node(node.name());
        boolean onlyTcp = there != null && port != null && there.attachment().equals(node.attachment());
        if (there != null && !onlyTcp) {
            throw exists(node, socket.toString(), there);
        }
        if (unix != null && asked.contradicts(unixAsked)) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    socket + " has " + unixAccess + ", set by an export that is there, not " + asked);
        }
        if (scratch == null) {
            scratch = Mapping.anonymous(SCRATCH_BYTES);
        }
        try {
            List<String> addresses = new ArrayList<>();
            Listener byTcp = port == null ? null : tcpListener(control, port.at());
            if (byTcp != null && byTcp.node(node.name()) != null) {
                throw exists(node, byTcp.toString(), byTcp.node(node.name()));
            }
            if (byTcp != null && port.credentials() != null) {
                byTcp.checkCredentials(port.credentials());
            }
            if (unix == null) {
                unixAccess = asked.or(usual);
                unixAsked = asked;
                unixSocket = UnixListener.openKept(socket, unixAccess.mode(), unixAccess.group());
                unix = new Listener(
                        control,
                        unixSocket.fd(),
                        true,
                        socket.toString(),
                        unixSocket::close,
                        scratch,
                        limits,
                        places,
                        count);
                Listener watched = unix;
                if (unixSocket.isInherited()) {
                    hold(control, unix);
                }
                control.schedule(() -> look(control, watched), LOOK_MILLIS);
            } else {
                restore();
                admit(asked);
            }
            if (!onlyTcp) {
                unix.add(node, null);
            }
            if (byTcp != null) {
                byTcp.add(node, port.credentials());
                addresses.add(ExportUri.tcp(
                        byTcp.toString(), node.name(), node.access().tls() == TlsMode.REQUIRED));
            }
            if (!onlyTcp) {
                addresses.add(ExportUri.unix(FileNames.text(socket), node.name()));
            }
            return addresses;
        } finally {
            closeUnused();
        }
    }

    /** Gives the socket what an export asks for: at a start, those that ask for nothing may have come first. */
    private void admit(SocketAccess asked) throws DiskException {
        SocketAccess wanted = asked.or(unixAccess);
        if (!wanted.equals(unixAccess)) {
            unixSocket.admit(wanted.mode(), wanted.group());
            unixAccess = wanted;
        }
        unixAsked = asked.or(unixAsked);
    }

    private static DiskException exists(NbdNode node, String where, NbdNode there) {
        return new DiskException(
                Reason.EXISTS,
                "an NBD export '" + node.name() + "' exists on " + where + ", of attachment " + there.attachment()
                        + "; name=NAME gives this one another name");
    }

    /** Makes the socket's file again if it was deleted, so that it is there when an export is plugged. */
    private void restore() throws DiskException {
        if (unixSocket.restore()) {
            unix.watch();
            LOG.log(Level.WARNING, socket + ": the socket was deleted from outside; made again");
        }
    }

    private void look(IoLoop control, Listener watched) {
        if (unix != watched) {
            return;
        }
        try {
            restore();
            lossTold = false;
        } catch (DiskException e) {
            if (!lossTold) {
                lossTold = true;
                LOG.log(
                        Level.WARNING,
                        "the socket was deleted from outside, and cannot be made again: " + e.getMessage());
            }
        }
        control.schedule(() -> look(control, watched), LOOK_MILLIS);
    }

    private Listener tcpListener(IoLoop control, TcpEndpoint at) throws DiskException {
        Listener there = tcp.get(at);
        if (there != null) {
            return there;
        }
        KeptSockets kept = KeptSockets.ours();
        int inherited = at.port() == 0 ? -1 : kept.takeTcp(at.address(), at.scope(), at.port());
        int fd = inherited < 0 ? Sockets.listen(at) : inherited;
        if (inherited >= 0) {
            Libc.fcntl(fd, Libc.F_SETFL, Libc.fcntl(fd, Libc.F_GETFL, 0) | Libc.O_NONBLOCK);
        }
        TcpEndpoint got = at.withPort(Sockets.port(fd));
        Runnable close = () -> {
            kept.forget(fd);
            Libc.close(fd);
        };
        Listener listener = new Listener(control, fd, false, got.toString(), close, scratch, limits, places, count);
        tcp.put(got, listener);
        if (inherited < 0) {
            kept.keep(fd);
        } else {
            hold(control, listener);
        }
        return listener;
    }

    /**
     * Lets clients of a kept socket in when the daemon is ready: until then the export that one asks for may be
     * missing.
     */
    private void hold(IoLoop control, Listener listener) {
        listener.hold();
        Runnable watch = () -> {
            if (listener == unix || tcp.containsValue(listener)) {
                listener.watch();
            }
        };
        ServiceManager.ours().whenReady(() -> {
            try {
                control.execute(watch);
            } catch (RejectedExecutionException e) {
                LOG.log(Level.DEBUG, socket + ": no export is left: " + e.getMessage());
            }
        });
    }

    private void hide(NbdNode node) {
        if (unix != null) {
            unix.remove(node);
        }
        tcp.values().forEach(listener -> listener.remove(node));
        closeUnused();
    }

    /** Closes the sockets that serve no export; after the last one, the handshakes too. */
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
        if (unix == null && tcp.isEmpty() && scratch != null) {
            scratch.close();
            scratch = null;
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
