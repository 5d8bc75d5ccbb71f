package org.blktap.node.nbd;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.metrics.MetricSink;
import org.blktap.api.metrics.MetricSource;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeKind;
import org.blktap.api.node.NodeProvider;
import org.blktap.api.node.Quota;
import org.blktap.linux.SocketAccess;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;

/**
 * Attachments as NBD exports: all of them on one unix socket {@code nbd.sock} of the socket directory unless they ask
 * for another, each also on a TCP port if it asks for one. Beyond the loopback interface, a port requires TLS.
 */
@Component(configurationPid = NbdSettings.PID)
@NodeKind(
        kind = NbdNodeProvider.KIND,
        summary = "NBD clients, on a unix socket or TCP, with TLS: QEMU, libnbd, nbd-client")
public final class NbdNodeProvider implements NodeProvider, MetricSource {
    static final String KIND = "nbd";
    static final String SOCKET = "nbd.sock";
    /** An export's name, far below the 4096 bytes of the protocol. */
    private static final int MAX_NAME = 255;

    private final LoopFactory loops;
    private volatile NbdLimits limits;
    private volatile NbdSettings settings;
    private final Quota places;
    private final Quota memory;
    private final Map<Path, NbdServer> servers = new ConcurrentHashMap<>();

    @Activate
    public NbdNodeProvider(@Reference LoopFactory loops, NbdSettings settings) {
        this(loops, settings, NbdLimits.of(settings));
    }

    NbdNodeProvider(LoopFactory loops, NbdSettings settings, NbdLimits limits) {
        this.loops = loops;
        this.settings = settings;
        this.limits = limits;
        places = new Quota(limits.commonClients());
        memory = new Quota(limits.commonBytes());
    }

    @Modified
    public void configure(NbdSettings to) {
        NbdLimits changed = NbdLimits.of(to);
        settings = to;
        places.grow(changed.commonClients() - limits.commonClients());
        memory.grow(changed.commonBytes() - limits.commonBytes());
        limits = changed;
    }

    /** Gives the limits of all exports together, beyond what each has for itself. */
    @Override
    public void collect(MetricSink sink) {
        NbdLimits now = limits;
        sink.limit("nbd_clients", now.commonClients() - places.common(), now.commonClients());
        sink.limit("nbd_buffer_bytes", now.commonBytes() - memory.common(), now.commonBytes());
    }

    /**
     * Opens an export. Reads certificates if it has TLS.
     *
     * @throws DiskException EXISTS if the name or the socket is taken, BUSY if the TCP port is, NOT_FOUND if
     *     certificates are missing, BAD_OPTION
     */
    @Override
    public DeviceNode open(NodeContext context) throws DiskException {
        Options options = context.options();
        String name = options.text("name", context.target().isEmpty() ? context.id() : context.target());
        if (name.isEmpty() || name.length() > MAX_NAME || name.chars().anyMatch(Character::isISOControl)) {
            throw Options.bad("name", name, "1 to " + MAX_NAME + " characters, none of them a control character");
        }
        TcpPort port = TcpPort.of(options, settings);
        NbdSettings now = settings;
        SocketAccess asked = SocketAccess.of(options);
        SocketAccess usual = SocketAccess.ofSettings(now.socket_mode(), now.socket_group());
        Path socket = socket(context.runDir(), options.text("socket", null));
        NbdNode node = new NbdNode(
                context,
                name,
                port == null ? ExportAccess.OPEN : port.access(),
                memory.share(limits.reservedBytes(), limits.exportBytes()),
                limits);
        server(socket).add(node, asked, usual, port);
        return node;
    }

    /**
     * Makes the directory of a socket of the export's own: where there are names in /run, it is gone after a restart of
     * the host.
     */
    private static Path socket(Path runDir, String text) throws DiskException {
        if (text == null) {
            return runDir.resolve(SOCKET);
        }
        Path socket;
        try {
            socket = FileNames.path(text);
        } catch (InvalidPathException e) {
            throw Options.bad("socket", text, "a path");
        }
        if (!socket.isAbsolute() || socket.getFileName() == null) {
            throw Options.bad("socket", text, "an absolute path");
        }
        try {
            if (!Files.isDirectory(socket.getParent())) {
                Files.createDirectories(
                        socket.getParent(),
                        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
            }
        } catch (IOException e) {
            throw DiskException.io(socket.getParent(), "make the directory of the socket", e);
        }
        return socket.normalize();
    }

    NbdServer server(Path socket) {
        return servers.computeIfAbsent(socket, path -> new NbdServer(loops, path, () -> limits, places));
    }
}
