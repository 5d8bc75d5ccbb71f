package org.blktap.node.vhostuser;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.metrics.MetricSink;
import org.blktap.api.metrics.MetricSource;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeKind;
import org.blktap.api.node.NodeProvider;
import org.blktap.linux.SocketAccess;
import org.blktap.linux.UnixListener;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;

/**
 * Serves disks as vhost-user-blk devices: to QEMU, cloud-hypervisor, User-Mode Linux and all others that speak the
 * vhost-user protocol. The VM's memory is mapped, its rings are read in place, and data moves between it and the disk
 * without a copy.
 *
 * <p>Options: {@code path=} (or the part after {@code vhost-user:}) of the socket, {@code mode=}, {@code group=},
 * {@code queues=}.
 */
@Component(configurationPid = VhostSettings.PID)
@NodeKind(
        kind = VhostUserNodeProvider.KIND,
        summary = "QEMU, cloud-hypervisor, User-Mode Linux: virtio-blk over a unix socket")
public final class VhostUserNodeProvider implements NodeProvider, MetricSource {
    static final String KIND = "vhost-user";
    private static final int QUEUES_MAX = 16;

    private final VhostUserLimits limits;
    private volatile VhostSettings settings;

    @Activate
    public VhostUserNodeProvider(VhostSettings settings) {
        this(settings, new VhostUserLimits(settings));
    }

    VhostUserNodeProvider(VhostSettings settings, VhostUserLimits limits) {
        this.settings = settings;
        this.limits = limits;
    }

    @Modified
    public void configure(VhostSettings to) {
        settings = to;
        limits.configure(to);
    }

    /** Gives the limits of all clients together, beyond what each has for itself. */
    @Override
    public void collect(MetricSink sink) {
        sink.limit("vhost_user_memory_bytes", limits.bytes.used(), limits.bytes.total());
        sink.limit("vhost_user_regions", limits.regions.used(), limits.regions.total());
        sink.limit("vhost_user_requests", limits.requests.used(), limits.requests.total());
    }

    @Override
    public DeviceNode open(NodeContext context) throws DiskException {
        Options options = context.options();
        String pathOption = options.text("path", null);
        String target = context.target();
        if (pathOption != null && !target.isEmpty()) {
            throw Options.bad("path", pathOption, "no path besides " + KIND + ":" + target);
        }
        String path = pathOption != null ? pathOption : target;
        Path socket = path.isEmpty() ? context.runDir().resolve(context.id() + ".sock") : absolute(path);
        VhostSettings now = settings;
        SocketAccess access =
                SocketAccess.of(options).or(SocketAccess.ofSettings(now.socket_mode(), now.socket_group()));
        int queues = options.number("queues", 1, 1, QUEUES_MAX);
        UnixListener listener = UnixListener.open(socket, access.mode(), access.group());
        try (CloseOnFailure opened = new CloseOnFailure(listener::close)) {
            return opened.keep(new VhostUserNode(context, listener, queues, limits));
        } catch (IllegalStateException e) {
            throw new DiskException(DiskException.Reason.IO, socket + ": cannot be waited on: " + e.getMessage(), e);
        }
    }

    private static Path absolute(String path) throws DiskException {
        try {
            Path socket = FileNames.path(path);
            if (socket.isAbsolute()) {
                return socket;
            }
        } catch (InvalidPathException e) {
            throw Options.bad("path", path, "a path: " + e.getReason());
        }
        throw Options.bad("path", path, "an absolute path");
    }
}
