package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;

/**
 * A disk of one domain: on the attachment's loop its rings, while there are any, and on the XenBus thread a
 * {@link XenBackend} that follows the domain. Neither thread waits for the other. Loop only.
 */
final class XenNode implements DeviceNode, XenBackend.Rings {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** A XenStore that takes longer is reported. */
    private static final long SILENT_MILLISECONDS = 2_000;

    private final NodeContext context;
    private final XenBus bus;
    private final XenStore store;
    private final Hypervisor xen;
    private final GuestLimits limits;
    private final DevicePaths paths;
    private final String shownAs;
    private final Runnable gone;
    private final Runnable whenClosed;
    private final long unplugMilliseconds;
    private final LimitedLog log;
    private final XenBackend backend;
    private final RequestLogFile logFile;
    /** Whether the guest may write. */
    private boolean writable;

    private BlkifDevice device;
    /** One that takes nothing more, and ends when nothing of it is in flight. */
    private BlkifDevice leaving;

    private CompletableFuture<Void> unplugging;
    /** The guest is cut off, and only the end follows. */
    private boolean cut;

    private boolean closed;

    /**
     * @param writable whether the guest may write, as far as is known before it connects
     * @param owner how XenStore names the attachment
     * @param gone called on the XenBus thread when the domain has released the device, or has ended
     * @param whenClosed called at the end of {@link #close} or {@link #remove}
     * @param unplugMilliseconds how long the domain may take to let the device go
     */
    XenNode(
            NodeContext context,
            XenBus bus,
            XenStore store,
            Hypervisor xen,
            GuestLimits limits,
            DevicePaths paths,
            String shownAs,
            int queuesMax,
            Blkback blkback,
            String owner,
            boolean writable,
            Runnable gone,
            Runnable whenClosed,
            long unplugMilliseconds) {
        this.context = context;
        this.bus = bus;
        this.store = store;
        this.xen = xen;
        this.limits = limits;
        this.paths = paths;
        this.shownAs = shownAs;
        this.writable = writable;
        this.gone = gone;
        this.whenClosed = whenClosed;
        this.unplugMilliseconds = unplugMilliseconds;
        logFile = RequestLogFile.of(context.runDir(), paths.domain(), paths.device());
        log = GuestLimits.log(context.id());
        backend = new XenBackend(owner, log, bus, store, paths, queuesMax, blkback, this);
        backend.start();
    }

    /** Gives a task to the XenBus thread, unless that has ended. Any thread. */
    static void onBus(XenBus bus, Runnable task) {
        try {
            bus.execute(task);
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "the XenBus thread has ended");
        }
    }

    private void onLoop(Runnable task) {
        try {
            context.loop().execute(task);
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, context.id() + ": the loop has ended");
        }
    }

    // ---- asked by the backend, on the XenBus thread

    @Override
    public void connect(FrontendParameters frontend, boolean mayWrite, XenBackend.Connected answer) {
        String machine;
        try {
            machine = store.read(paths.domainDirectory() + "/vm");
        } catch (IOException e) {
            answer.connected(null, false, e);
            return;
        }
        ConnectionIdentity identity = new ConnectionIdentity(machine, paths.device(), frontend);
        onLoop(() -> {
            if (closed || cut) {
                return;
            }
            IOException failure = null;
            DiskInfo disk = null;
            try {
                writable = mayWrite;
                disk = context.port().info();
                BlkifConnection connection = new BlkifConnection(context, log, xen, limits, frontend, logFile);
                device = BlkifDevice.start(connection, mayWrite, identity, this::failed);
                context.clientConnected("domain " + paths.domain());
            } catch (IOException e) {
                failure = e;
            } catch (RuntimeException | Error e) {
                failure = new IOException("cannot connect: " + e, e);
            }
            DiskInfo shown = disk;
            boolean mapsPages = device != null && device.mapsPages();
            IOException why = failure;
            onBus(bus, () -> answer.connected(shown, mapsPages, why));
        });
    }

    /** The rings have failed. On the loop. */
    private void failed(String why) {
        onBus(bus, () -> backend.failed(why));
    }

    @Override
    public void disconnect(Runnable answer) {
        onLoop(() -> {
            if (closed) {
                return;
            }
            leaving = device;
            device = null;
            boolean was = leaving != null;
            Runnable ended = () -> {
                leaving = null;
                if (was) {
                    context.clientDisconnected("domain " + paths.domain());
                }
                // also that of an earlier process: a frontend with the same rings another time has nothing in flight
                logFile.delete();
                onBus(bus, answer);
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
        onLoop(() -> {
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
        status.put("access", writable ? "read-write" : "read-only");
        status.put("frontend", device == null ? "not connected" : "connected");
        if (device != null) {
            status.putAll(device.status());
        }
        long silent = bus.busyMilliseconds();
        if (silent >= SILENT_MILLISECONDS) {
            status.put("XenStore", "has not answered for " + silent / 1000 + " s");
        }
        if (!backend.complaint().isEmpty()) {
            status.put("last trouble", backend.complaint());
        }
        return status;
    }

    @Override
    public boolean mayWrite() {
        return writable && !context.port().info().readOnly();
    }

    @Override
    public void resumed() {
        // the loop asks the device's stage again in this turn, and that looks into its rings
    }

    @Override
    public void resized() {
        long bytes = context.port().info().sizeBytes();
        onBus(bus, () -> backend.resized(bytes));
    }

    @Override
    public CompletionStage<Void> unplug() {
        CompletableFuture<Void> ends = new CompletableFuture<>();
        AtomicBoolean asked = new AtomicBoolean();
        unplugging = ends;
        onBus(bus, () -> {
            if (!ends.isDone()) {
                asked.set(true);
                backend.askToClose();
            }
        });
        context.loop()
                .schedule(
                        () -> {
                            if (!ends.isDone() && !closed) {
                                unplugging = null;
                                onBus(bus, () -> {
                                    if (asked.get()) {
                                        backend.goOn();
                                    }
                                });
                                ends.completeExceptionally(
                                        asked.get()
                                                ? new DiskException(
                                                        Reason.BUSY,
                                                        "domain " + paths.domain() + " keeps " + shownAs
                                                                + ": unmount it there first, or detach it with --force")
                                                : new DiskException(
                                                        Reason.IO,
                                                        "XenStore does not answer, so that domain " + paths.domain()
                                                                + " cannot be asked to let " + shownAs
                                                                + " go: try again, or detach it with --force"));
                            }
                        },
                        unplugMilliseconds);
        return ends;
    }

    @Override
    public void disconnect() {
        cut = true;
        backend.end();
        for (BlkifDevice each : new BlkifDevice[] {device, leaving}) {
            if (each != null) {
                each.cutOff();
            }
        }
        onBus(bus, this::removeNodes);
    }

    @Override
    public void close() {
        end(false);
    }

    @Override
    public void remove() {
        end(true);
    }

    private void end(boolean forGood) {
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
        if (forGood) {
            logFile.delete();
            // the next claim of the device runs on the same thread, and so after this
            onBus(bus, this::removeNodes);
        }
        whenClosed.run();
    }

    private void removeNodes() {
        try {
            DeviceNodes.remove(store, paths);
        } catch (IOException e) {
            LOG.log(Level.WARNING, context.id() + ": " + e.getMessage());
        }
    }
}
