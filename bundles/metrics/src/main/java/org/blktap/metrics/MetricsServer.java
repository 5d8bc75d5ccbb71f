package org.blktap.metrics;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.util.ArrayDeque;
import java.util.Deque;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.settings.Directories;
import org.blktap.api.settings.Instance;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * Answers {@code GET /metrics} where the settings say, which is nowhere by default; then nothing of the library is
 * loaded. An instance that shares the settings of the default instance has only its own socket: other addresses of the
 * settings belong to the default instance. If it cannot listen at one of the addresses, it listens at none, and
 * {@code diag} shows why.
 */
@Component(
        service = {},
        immediate = true,
        configurationPid = MetricsSettings.PID)
public final class MetricsServer {
    private static final Logger LOG = System.getLogger("org.blktap.metrics");

    private final Deque<AutoCloseable> open = new ArrayDeque<>();

    @Activate
    public MetricsServer(
            BundleContext context,
            @Reference Directories directories,
            @Reference Instance instance,
            MetricsSettings settings)
            throws DiskException {
        if (settings.listen().length == 0) {
            return;
        }
        try {
            Sources sources = new Sources(context);
            open.push(sources);
            DaemonRegistry registry =
                    new DaemonRegistry(sources, context.getBundle().getVersion().toString());
            for (String text : settings.listen()) {
                if (!instance.isDefault() && !instance.ownSettings() && !text.equals("unix")) {
                    LOG.log(Level.DEBUG, "metrics at " + text + " are those of the default instance");
                    continue;
                }
                listen(Endpoint.parse(text, directories.run()), text, registry, settings);
            }
        } catch (DiskException | RuntimeException e) {
            LOG.log(Level.ERROR, "no metrics: " + e.getMessage());
            close();
            throw e;
        }
    }

    private void listen(Endpoint endpoint, String text, DaemonRegistry registry, MetricsSettings settings)
            throws DiskException {
        try {
            if (endpoint instanceof Endpoint.Unix unix) {
                if (text.equals("unix")) {
                    Files.createDirectories(unix.path().getParent());
                }
                open.push(new SocketServer(
                        SocketFile.listen(unix.path(), mode(settings.socket_mode()), settings.socket_group()),
                        registry.registry()));
            } else if (endpoint instanceof Endpoint.Loopback loopback) {
                open.push(LoopbackServer.start(loopback.address(), registry.registry()));
            }
            LOG.log(Level.INFO, "metrics at " + text);
        } catch (IOException e) {
            throw new DiskException(DiskException.Reason.IO, text + ": cannot listen: " + e.getMessage(), e);
        }
    }

    private static int mode(String text) throws DiskException {
        if (!text.matches("0?[0-7]{3}")) {
            throw Options.bad("socket.mode", text, "permissions such as 0660");
        }
        return Integer.parseInt(text, 8);
    }

    @Deactivate
    public void close() {
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (Exception e) {
                LOG.log(Level.WARNING, "metrics: " + e);
            }
        }
    }
}
