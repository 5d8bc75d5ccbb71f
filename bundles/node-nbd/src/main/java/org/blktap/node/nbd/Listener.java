package org.blktap.node.nbd;

import java.lang.System.Logger.Level;
import java.util.Collection;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import javax.security.auth.x500.X500Principal;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.node.Quota;
import org.blktap.linux.Libc;
import org.blktap.tls.Credentials;
import org.blktap.tls.Subjects;

/**
 * A listening socket, the exports that may be reached through it, and the clients that are in the handshake. Each
 * export has places for clients of this socket, so that those of another socket or export cannot take them. Control
 * loop only.
 */
final class Listener implements Catalogue, HandshakeClient.Outcome {
    /** Clients let in at once before others have their turn. */
    private static final int ACCEPT_BATCH = 16;
    /** Pause in accepting clients when the system has no descriptors left. */
    private static final long PAUSE_MILLIS = 1_000;
    /** A handshake that takes longer than that makes way for a new client when there are too many. */
    private static final long HURRY_MILLIS = 1_000;

    private final IoLoop loop;
    private final int fd;
    private final boolean local;
    private final String name;
    private final Runnable closeSocket;
    private final NativeBuffer scratch;
    private final Supplier<NbdLimits> limits;
    private final Quota places;
    private final ClientCount clients;
    private final Map<String, Shown> shown = new LinkedHashMap<>();
    private final Set<HandshakeClient> handshakes = new LinkedHashSet<>();
    private final LimitedLog log = NbdLimits.log();
    private IoLoop.Watch watch;
    private IoLoop.Timer pause;

    /**
     * An export, and the places for its clients that come this way.
     *
     * @param credentials null without TLS
     */
    private record Shown(NbdNode node, Credentials credentials, Quota.Share places) {}

    /** What counts clients, in handshake or transmission. */
    interface ClientCount {
        void begins();

        void ended();
    }

    /**
     * @param local whether it is a unix socket, whose file mode says who may use the exports
     * @param name for logs
     * @param closeSocket closes the descriptor, and removes what names it
     * @param scratch native memory that all clients of the loop share for moving bytes
     * @param places for clients, of all exports
     */
    Listener(
            IoLoop loop,
            int fd,
            boolean local,
            String name,
            Runnable closeSocket,
            NativeBuffer scratch,
            Supplier<NbdLimits> limits,
            Quota places,
            ClientCount clients) {
        this.loop = loop;
        this.fd = fd;
        this.local = local;
        this.name = name;
        this.closeSocket = closeSocket;
        this.scratch = scratch;
        this.limits = limits;
        this.places = places;
        this.clients = clients;
        watch();
    }

    /** Watches the descriptor; anew if it is another socket now. */
    void watch() {
        if (watch != null) {
            watch.close();
        }
        watch = loop.watch(fd, IoLoop.READABLE, events -> accept());
    }

    /** Lets nobody in until {@link #watch} is called again. */
    void hold() {
        watch.close();
        watch = null;
    }

    private void accept() {
        for (int i = 0; i < ACCEPT_BATCH; i++) {
            if (!hasRoom()) {
                return;
            }
            int client = Libc.accept4(fd, 0, 0, Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK);
            if (client >= 0) {
                begin(client);
                continue;
            }
            int error = Libc.errno();
            if (error == Errno.EAGAIN) {
                return;
            }
            // the second: the client disconnected before it was accepted
            if (error != Errno.EINTR && error != Errno.ECONNABORTED) {
                log.log(
                        Level.WARNING,
                        name + ": cannot let clients in: " + Errno.text(error) + "; tried again in a second");
                pause(PAUSE_MILLIS);
                return;
            }
        }
    }

    /** Whether one more handshake may begin; if not, the oldest gets some time to end. */
    private boolean hasRoom() {
        if (handshakes.size() < limits.get().handshakes()) {
            return true;
        }
        HandshakeClient oldest =
                handshakes.stream().filter(each -> !each.hasEnded()).findFirst().orElse(null);
        if (oldest == null) {
            pause(HURRY_MILLIS);
            return false;
        }
        long left = HURRY_MILLIS - oldest.ageMillis();
        if (left > 0) {
            pause(left);
            return false;
        }
        log.log(
                Level.INFO,
                name + ": " + handshakes.size()
                        + " clients are in the handshake; the one that has taken longest is cut off");
        oldest.close();
        if (handshakes.size() < limits.get().handshakes()) {
            return true;
        }
        // a helper thread still works for it
        pause(HURRY_MILLIS);
        return false;
    }

    private void pause(long milliseconds) {
        if (pause == null) {
            watch.events(0);
            pause = loop.schedule(this::resume, milliseconds);
        }
    }

    private void resume() {
        if (pause != null) {
            pause.cancel();
            pause = null;
            watch.events(IoLoop.READABLE);
        }
    }

    private void begin(int client) {
        clients.begins();
        // the export that brings TLS may go while the client is in the handshake
        Credentials by = credentials();
        try {
            Sockets.noDelay(client);
            HandshakeClient handshake = new HandshakeClient(
                    loop,
                    client,
                    name,
                    new ClientView(this, mode(), local),
                    scratch,
                    limits.get().handshakeMillis(),
                    log,
                    () -> engine(by),
                    this);
            handshakes.add(handshake);
            handshake.start();
        } catch (RuntimeException | Error e) {
            // no memory, or no place in epoll; the others go on
            log.log(Level.WARNING, name + ": a client is turned away: " + e);
            Libc.close(client);
            clients.ended();
        }
    }

    /** @throws DiskException BAD_OPTION if the exports that are there have other certificates */
    void checkCredentials(Credentials by) throws DiskException {
        Credentials ours = credentials();
        if (ours != null && !ours.directory().equals(by.directory())) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "the certificates of " + name + " are those of " + ours.directory()
                            + ", set by an export that is there, not of " + by.directory());
        }
    }

    /** Those of the exports that are there, all of one directory; null if none has TLS. */
    private Credentials credentials() {
        return shown.values().stream()
                .map(Shown::credentials)
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
    }

    private TlsMode mode() {
        Set<TlsMode> modes = EnumSet.noneOf(TlsMode.class);
        shown.values().forEach(each -> modes.add(each.node().access().tls()));
        if (credentials() == null) {
            return TlsMode.OFF;
        }
        return modes.equals(EnumSet.of(TlsMode.REQUIRED)) ? TlsMode.REQUIRED : TlsMode.ALLOWED;
    }

    /** What a helper thread does for a client: reads what has changed of certificates and lists of subjects. */
    private Supplier<SSLEngine> engine(Credentials by) {
        List<Subjects> lists = shown.values().stream()
                .map(each -> each.node().access().subjects())
                .toList();
        return () -> {
            lists.forEach(Subjects::refresh);
            return by.serverEngine();
        };
    }

    @Override
    public void transmission(HandshakeClient done, Arrival arrival) {
        left(done);
        Shown export = shown.get(arrival.session().export());
        if (export != null
                && done.allows(export.node().info())
                && export.places().take(1)) {
            export.node().accept(arrival, export.places());
        } else {
            // it went, or others came, while the last answer was on its way
            arrival.refuse();
            clients.ended();
        }
    }

    @Override
    public void gone(HandshakeClient done) {
        left(done);
        clients.ended();
    }

    private void left(HandshakeClient done) {
        handshakes.remove(done);
        if (handshakes.size() == limits.get().handshakes() - 1) {
            resume();
        }
    }

    /** @param credentials null without TLS */
    void add(NbdNode node, Credentials credentials) {
        shown.put(
                node.name(),
                new Shown(
                        node,
                        credentials,
                        places.share(
                                limits.get().reservedClients(), limits.get().clients())));
    }

    void remove(NbdNode node) {
        Shown there = shown.get(node.name());
        if (there != null && there.node() == node) {
            shown.remove(node.name());
            if (there.credentials() != null && credentials() == null) {
                // what they have shown may mean nothing to the next export with TLS
                List.copyOf(handshakes).forEach(HandshakeClient::close);
            }
        }
    }

    /** The node that shows an export here, or null. */
    NbdNode node(String export) {
        Shown there = shown.get(export);
        return there == null ? null : there.node();
    }

    boolean isUnused() {
        return shown.isEmpty();
    }

    @Override
    public Collection<ExportInfo> exports() {
        return shown.values().stream().map(each -> each.node().info()).toList();
    }

    @Override
    public boolean hasPlace(String export) {
        boolean place = shown.get(export).places().left() > 0;
        if (!place) {
            log.log(
                    Level.WARNING,
                    name + ": the export '" + export + "' has "
                            + shown.get(export).places().used()
                            + " clients here, and there is no place for more; a client is turned away");
        }
        return place;
    }

    @Override
    public void refused(String export, X500Principal peer) {
        log.log(
                Level.WARNING,
                name + ": a client with the certificate of '" + peer + "' is refused the export '" + export + "'");
    }

    @Override
    public String toString() {
        return name;
    }

    void close() {
        if (pause != null) {
            pause.cancel();
        }
        List.copyOf(handshakes).forEach(HandshakeClient::closeNow);
        if (watch != null) {
            watch.close();
        }
        closeSocket.run();
    }
}
