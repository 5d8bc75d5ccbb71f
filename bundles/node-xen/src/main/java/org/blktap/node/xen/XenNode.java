package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;

/**
 * A disk of one domain: on the attachment's loop its rings, while there are any, and on the XenBus thread a {@link XenBackend} that follows the
 * domain. Neither thread waits for the other. Loop only.
 */
final class XenNode implements DeviceNode, XenBackend.Rings {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** How long a domain may take to let its device go; libxl gives it as long. */
    static final long UNPLUG_MILLISECONDS = 10_000;

    private final NodeContext context;
    private final XenBus bus;
    private final XenStore store;
    private final Hypervisor xen;
    private final DevicePaths paths;
    private final String shownAs;
    private final Runnable gone;
    private final Runnable whenClosed;
    private final long unplugMilliseconds;
    private final GuestLog log;
    private final XenBackend backend;
    private final RequestLogFile logFile;
    private BlkDevice device;
    /** One that takes nothing more, and ends when nothing of it is in flight. */
    private BlkDevice leaving;
    private CompletableFuture<Void> unplugging;
    private boolean unplugged;
    private boolean closed;

    /**
     * @param gone called on the XenBus thread when the domain has let the device go, or has gone itself
     * @param whenClosed called at the end of {@link #close}
     * @param unplugMilliseconds how long the domain may take to let the device go
     */
    XenNode(NodeContext context, XenBus bus, XenStore store, Hypervisor xen, DevicePaths paths, String shownAs, int queuesMax, Runnable gone,
            Runnable whenClosed, long unplugMilliseconds) {
        this.context = context;
        this.bus = bus;
        this.store = store;
        this.xen = xen;
        this.paths = paths;
        this.shownAs = shownAs;
        this.gone = gone;
        this.whenClosed = whenClosed;
        this.unplugMilliseconds = unplugMilliseconds;
        logFile = new RequestLogFile(context.runDir().resolve("xen-" + paths.domain() + "-" + paths.device() + ".log"));
        log = new GuestLog(context.id());
        backend = new XenBackend(context.id(), log, bus, store, paths, queuesMax, this);
        backend.start();
    }

    // ---- asked by the backend, on the XenBus thread

    @Override
    public void connect(FrontendParameters frontend, XenBackend.Connected answer) {
        String machine;
        try {
            machine = store.read(paths.domainDirectory() + "/vm");
        } catch (IOException e) {
            answer.connected(null, false, e);
            return;
        }
        ConnectionIdentity identity = new ConnectionIdentity(machine, paths.device(), frontend);
        context.loop().execute(() -> {
            if (closed) {
                return;
            }
            IOException failure = null;
            try {
                device = BlkDevice.connect(context, log, xen, frontend, logFile, identity);
            } catch (IOException e) {
                failure = e;
            } catch (RuntimeException | OutOfMemoryError e) {
                failure = new IOException("cannot connect: " + e, e);
            }
            DiskInfo disk = context.port().info();
            boolean mapsPages = device != null && device.mapsPages();
            IOException why = failure;
            bus.execute(() -> answer.connected(disk, mapsPages, why));
        });
    }

    @Override
    public void disconnect(Runnable answer) {
        context.loop().execute(() -> {
            if (closed) {
                return;
            }
            leaving = device;
            device = null;
            Runnable ended = () -> {
                leaving = null;
                // also that of an earlier process: whoever has the same rings another time has nothing in flight
                logFile.delete();
                bus.execute(answer);
            };
            if (leaving == null) {
                ended.run();
            } else {
                leaving.stop(ended);
            }
        });
    }

    @Override
    public void gone() {
        context.loop().execute(() -> {
            if (unplugging != null) {
                unplugging.complete(null);
            }
        });
        gone.run();
    }

    // ---- asked by the core

    @Override
    public String address() {
        return shownAs;
    }

    @Override
    public Map<String, String> status() {
        Map<String, String> status = new LinkedHashMap<>();
        status.put("domain", Integer.toString(paths.domain()));
        status.put("device", Integer.toString(paths.device()));
        status.put("backend", paths.backend());
        status.put("frontend", device == null ? "not connected" : "connected");
        if (device != null) {
            status.putAll(device.status());
        }
        if (!backend.complaint().isEmpty()) {
            status.put("last trouble", backend.complaint());
        }
        return status;
    }

    @Override
    public void resumed() {
        // the loop asks the device's stage again in this turn, and that looks into its rings
    }

    @Override
    public void resized() {
        long bytes = context.port().info().sizeBytes();
        bus.execute(() -> backend.resized(bytes));
    }

    @Override
    public CompletionStage<Void> unplug(boolean force) {
        unplugged = true;
        if (force) {
            return CompletableFuture.completedFuture(null);
        }
        CompletableFuture<Void> ends = new CompletableFuture<>();
        unplugging = ends;
        bus.execute(backend::askToClose);
        context.loop().schedule(() -> {
            if (!ends.isDone() && !closed) {
                unplugged = false;
                unplugging = null;
                bus.execute(backend::goOn);
                ends.completeExceptionally(new DiskException(Reason.BUSY, "domain " + paths.domain() + " keeps " + shownAs
                        + ": unmount it there first, or detach it with --force"));
            }
        }, unplugMilliseconds);
        return ends;
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        backend.end();
        if (device != null) {
            device.close();
            device = null;
        }
        if (leaving != null) {
            leaving.close();
            leaving = null;
            logFile.delete();
        }
        if (unplugging != null) {
            unplugging.complete(null);
        }
        if (unplugged) {
            logFile.delete();
            try {
                DeviceNodes.remove(store, paths);
            } catch (IOException e) {
                LOG.log(Level.WARNING, context.id() + ": " + e.getMessage());
            }
        }
        whenClosed.run();
    }
}
