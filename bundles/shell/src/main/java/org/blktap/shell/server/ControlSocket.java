package org.blktap.shell.server;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import jdk.net.ExtendedSocketOptions;
import org.apache.felix.service.command.CommandProcessor;
import org.blktap.api.settings.Directories;
import org.blktap.shell.client.Client;
import org.blktap.shell.command.Verbs;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * The local socket of {@code bin/blktap}, {@code control.sock} in the run directory: mode 0600, and its peer must be
 * root or the daemon's own user. A thread a connection, a command a connection.
 */
@Component(
        service = {},
        immediate = true)
public final class ControlSocket {
    private static final Logger LOG = System.getLogger("org.blktap.shell");
    /** Clients at once; a client that stops reading holds its thread. */
    private static final int MAX_CLIENTS = 64;
    /** Interval at which the socket's file is checked. */
    private static final int LOOK_MILLIS = 1000;

    private final ControlServices services;
    private final Verbs verbs;
    private final CommandProcessor gogo;
    private final Path path;
    private volatile ServerSocketChannel server;
    private volatile boolean stopped;
    private final String self;
    private final Set<SocketChannel> clients = ConcurrentHashMap.newKeySet();

    @Activate
    public ControlSocket(
            @Reference ControlServices services,
            @Reference VerbRegistry registry,
            @Reference CommandProcessor gogo,
            @Reference Directories directories)
            throws IOException {
        this(services, new Verbs(registry), gogo, directories.run());
    }

    ControlSocket(ControlServices services, Verbs verbs, CommandProcessor gogo, Path runDirectory) throws IOException {
        this.services = services;
        this.verbs = verbs;
        this.gogo = gogo;
        this.path = runDirectory.resolve(Client.SOCKET);
        this.server = listen();
        this.self = Files.getOwner(path).getName();
        start("blktap-accept", this::accept);
        start("blktap-control-watch", this::watch);
    }

    /** Makes the socket again if it was deleted or replaced. */
    private void watch() {
        try {
            Object mine = key();
            while (!stopped) {
                Thread.sleep(LOOK_MILLIS);
                if (!stopped && (mine == null || !mine.equals(key()))) {
                    mine = remake();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized Object remake() {
        if (stopped) {
            return null;
        }
        try {
            ServerSocketChannel before = server;
            server = listen();
            before.close();
            start("blktap-accept", this::accept);
            LOG.log(Level.WARNING, path + ": the socket was deleted from outside; made again");
        } catch (IOException e) {
            LOG.log(
                    Level.WARNING,
                    path + ": the socket was deleted from outside, and cannot be made again: " + e.getMessage());
        }
        return key();
    }

    /** The identity of the file that has the name now, or null. */
    private Object key() {
        try {
            return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                    .fileKey();
        } catch (IOException e) {
            return null;
        }
    }

    /** Takes the place of a socket that a killed daemon left: bin/blktapd sees to it that there is one daemon only. */
    private ServerSocketChannel listen() throws IOException {
        Files.createDirectories(path.getParent());
        Path temporary = path.resolveSibling(".control.new");
        Files.deleteIfExists(temporary);
        ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.bind(UnixDomainSocketAddress.of(temporary));
            Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString("rw-------"));
            Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            channel.close();
            LOG.log(
                    Level.ERROR,
                    path + ": no control socket, so that no client can reach this daemon: " + e.getMessage());
            throw e;
        }
        return channel;
    }

    private static void start(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() {
        ServerSocketChannel listening = server;
        while (listening.isOpen()) {
            try {
                SocketChannel channel = listening.accept();
                if (admit(channel)) {
                    clients.add(channel);
                    start("blktap-client", () -> serve(channel));
                } else {
                    channel.close();
                }
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                LOG.log(Level.WARNING, path + ": " + e.getMessage());
                pause();
            }
        }
    }

    /** Without descriptors accept fails at once, again and again. */
    private static void pause() {
        try {
            Thread.sleep(100);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean admit(SocketChannel channel) throws IOException {
        String peer =
                channel.getOption(ExtendedSocketOptions.SO_PEERCRED).user().getName();
        if (!peer.equals(self) && !peer.equals("root")) {
            LOG.log(Level.WARNING, path + ": refused a client of user " + peer);
            return false;
        }
        if (clients.size() >= MAX_CLIENTS) {
            LOG.log(Level.WARNING, path + ": refused a client, there are " + MAX_CLIENTS + " already");
            return false;
        }
        return true;
    }

    private void serve(SocketChannel channel) {
        try (channel) {
            new Conversation(services, verbs, gogo, channel).hold();
        } catch (IOException e) {
            LOG.log(Level.DEBUG, path + ": a client broke off: " + e.getMessage());
        } finally {
            clients.remove(channel);
        }
    }

    @Deactivate
    public synchronized void stop() throws IOException {
        stopped = true;
        server.close();
        Files.deleteIfExists(path);
        for (SocketChannel client : clients) {
            client.close();
        }
    }
}
