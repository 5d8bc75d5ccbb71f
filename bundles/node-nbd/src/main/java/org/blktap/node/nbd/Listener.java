package org.blktap.node.nbd;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.linux.Libc;

/** A listening socket, and the exports that may be reached through it. Control loop only. */
final class Listener implements Catalogue {
    private static final Logger LOG = System.getLogger("org.blktap.node.nbd");
    /** Clients let in at once before others have their turn. */
    private static final int ACCEPT_BATCH = 16;
    /** When the system has no descriptors left, so long nobody is let in. */
    private static final long PAUSE_MILLIS = 1_000;
    // asm-generic/errno.h: the client has gone before it was let in
    private static final int ECONNABORTED = 103;

    private final IoLoop loop;
    private final int fd;
    private final String name;
    private final Runnable closeSocket;
    private final Listening accepted;
    private final Map<String, NbdNode> nodes = new LinkedHashMap<>();
    private final IoLoop.Watch watch;
    private IoLoop.Timer pause;

    /**
     * @param name for logs
     * @param closeSocket closes the descriptor, and removes what names it
     * @param accepted takes each client's socket
     */
    Listener(IoLoop loop, int fd, String name, Runnable closeSocket, Listening accepted) {
        this.loop = loop;
        this.fd = fd;
        this.name = name;
        this.closeSocket = closeSocket;
        this.accepted = accepted;
        watch = loop.watch(fd, IoLoop.READABLE, events -> accept());
    }

    /** Takes the clients of listeners. */
    @FunctionalInterface
    interface Listening {
        void client(Listener listener, int fd);
    }

    private void accept() {
        for (int i = 0; i < ACCEPT_BATCH; i++) {
            int client = Libc.accept4(fd, 0, 0, Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK);
            if (client >= 0) {
                accepted.client(this, client);
                continue;
            }
            int error = Libc.errno();
            if (error == Errno.EAGAIN) {
                return;
            }
            if (error != Errno.EINTR && error != ECONNABORTED) {
                LOG.log(Level.WARNING, name + ": cannot let clients in: " + Errno.text(error) + "; tried again in a second");
                watch.events(0);
                pause = loop.schedule(() -> watch.events(IoLoop.READABLE), PAUSE_MILLIS);
                return;
            }
        }
    }

    void add(NbdNode node) {
        nodes.put(node.name(), node);
    }

    void remove(NbdNode node) {
        nodes.remove(node.name(), node);
    }

    NbdNode node(String export) {
        return nodes.get(export);
    }

    boolean isUnused() {
        return nodes.isEmpty();
    }

    @Override
    public Collection<ExportInfo> exports() {
        return nodes.values().stream().map(NbdNode::info).toList();
    }

    @Override
    public String toString() {
        return name;
    }

    void close() {
        if (pause != null) {
            pause.cancel();
        }
        watch.close();
        closeSocket.run();
    }
}
