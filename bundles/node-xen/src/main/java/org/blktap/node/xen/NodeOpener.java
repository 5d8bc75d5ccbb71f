package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeProvider;

/**
 * Opens nodes on one connection to XenStore. XenStore is asked on the XenBus thread, and for so long at most: the
 * attachment's loop, which may serve other nodes, does not wait for xenstored.
 */
final class NodeOpener implements NodeProvider {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** The rings that a guest may use, where a node does not say it. */
    static final int QUEUES = 4;

    private final XenBus bus;
    private final XenStore store;
    private final Hypervisor xen;
    private final GuestLimits limits;
    private final Blkback blkback;
    private final Claimant claimant;
    private final DeviceGone gone;
    private final boolean reconnected;
    private final Patience patience;
    /** The devices that have a node. */
    private final Set<DevicePaths> open = ConcurrentHashMap.newKeySet();

    private final Set<CompletableFuture<Claimed>> claims = ConcurrentHashMap.newKeySet();
    /** Whether it was looked for what an earlier process has left. XenBus thread only. */
    private boolean looked;

    /**
     * How long others may take, in milliseconds.
     *
     * @param xenStore to answer all that opening a node asks
     * @param unplug the domain, to let its device go
     */
    record Patience(long xenStore, long unplug) {
        /** libxl gives a domain as long. */
        static final Patience USUAL = new Patience(10_000, 10_000);
    }

    /**
     * @param gone called when a domain has let its device go
     * @param reconnected whether there was a connection before: then a XenStore without any domain is not believed to
     *     say that all have gone
     */
    NodeOpener(
            XenBus bus,
            XenStore store,
            Hypervisor xen,
            GuestLimits limits,
            Blkback blkback,
            Claimant claimant,
            DeviceGone gone,
            boolean reconnected,
            Patience patience) {
        this.bus = bus;
        this.store = store;
        this.xen = xen;
        this.limits = limits;
        this.blkback = blkback;
        this.claimant = claimant;
        this.gone = gone;
        this.reconnected = reconnected;
        this.patience = patience;
    }

    /** The connection has ended: nobody waits for what it would have answered. Any thread. */
    void end() {
        claims.forEach(claim ->
                claim.completeExceptionally(new DiskException(Reason.IO, "the connection to XenStore is lost")));
    }

    /** What the node needs, from the arguments of the attach. */
    private record Wanted(
            DomainDevice device, int queues, String attachment, boolean reopened, boolean diskWritable, Path runDir) {
        static Wanted of(NodeContext context) throws DiskException {
            return new Wanted(
                    DomainDevice.parse(context.target(), context.options()),
                    context.options().number("queues", QUEUES, 1, XenBackend.QUEUES_MAX),
                    context.id(),
                    context.reopened(),
                    !context.port().info().readOnly(),
                    context.runDir());
        }

        DeviceNodes.Claim claim(Claimant claimant) {
            return new DeviceNodes.Claim(
                    claimant.name(attachment), device.name(), queues, device.access(), diskWritable);
        }
    }

    /** A device that is ours, and what its guest may do. */
    private record Claimed(DevicePaths paths, DeviceAccess access) {}

    @Override
    public boolean onlyReads(Options options) throws DiskException {
        return !DomainDevice.access(options).writable();
    }

    /** Waits on the loop, for a core that does not open in steps. */
    @Override
    public DeviceNode open(NodeContext context) throws DiskException {
        Wanted wanted = Wanted.of(context);
        CompletableFuture<Claimed> claim = claim(wanted);
        try {
            return node(context, wanted, claim.get(patience.xenStore, TimeUnit.MILLISECONDS));
        } catch (TimeoutException e) {
            DiskException late = silent();
            if (claim.completeExceptionally(late)) {
                throw late;
            }
            return node(context, wanted, claim.join());
        } catch (ExecutionException e) {
            throw asDiskException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            claim.completeExceptionally(e);
            throw new DiskException(Reason.IO, "interrupted", e);
        }
    }

    @Override
    public CompletionStage<DeviceNode> openLater(NodeContext context) throws DiskException {
        Wanted wanted = Wanted.of(context);
        CompletableFuture<Claimed> claim = claim(wanted);
        context.loop()
                .schedule(
                        () -> {
                            if (!claim.isDone()) {
                                claim.completeExceptionally(silent());
                            }
                        },
                        patience.xenStore);
        CompletableFuture<DeviceNode> opened = new CompletableFuture<>();
        claim.whenComplete((claimed, failure) -> {
            try {
                context.loop().execute(() -> {
                    if (failure != null) {
                        opened.completeExceptionally(asDiskException(failure));
                    } else if (opened.isDone()) {
                        // nobody waits for it any more
                        XenNode.onBus(bus, () -> release(wanted, claimed.paths));
                    } else {
                        opened.complete(node(context, wanted, claimed));
                    }
                });
            } catch (RejectedExecutionException e) {
                opened.completeExceptionally(e);
                if (claimed != null) {
                    release(wanted, claimed.paths);
                }
            }
        });
        return opened;
    }

    private static DiskException asDiskException(Throwable failure) {
        return failure instanceof DiskException known
                ? known
                : new DiskException(Reason.IO, failure.toString(), failure);
    }

    private DiskException silent() {
        return new DiskException(
                Reason.IO,
                "XenStore has not answered for " + (patience.xenStore + 999) / 1000
                        + " s: is xenstored running? Try again");
    }

    private DeviceNode node(NodeContext context, Wanted wanted, Claimed claimed) {
        DevicePaths paths = claimed.paths;
        String address = wanted.device.shown(paths.domain());
        return new XenNode(
                context,
                bus,
                store,
                xen,
                limits,
                paths,
                address,
                wanted.queues,
                blkback,
                claimant.name(context.id()),
                claimed.access.writable(),
                () -> gone.gone(wanted.attachment, address, false),
                () -> open.remove(paths),
                patience.unplug);
    }

    // ---- on the XenBus thread

    /** Finds the device and makes it ours; what comes too late is undone. */
    private CompletableFuture<Claimed> claim(Wanted wanted) throws DiskException {
        CompletableFuture<Claimed> claim = new CompletableFuture<>();
        claims.add(claim);
        claim.whenComplete((claimed, failure) -> claims.remove(claim));
        try {
            bus.execute(() -> {
                if (claim.isDone()) {
                    return;
                }
                try {
                    Claimed claimed = claimed(wanted);
                    if (!claim.complete(claimed)) {
                        release(wanted, claimed.paths);
                    }
                } catch (IOException e) {
                    claim.completeExceptionally(new DiskException(
                            Reason.IO,
                            "xen:" + wanted.device.domain() + "/" + wanted.device.name() + ": " + e.getMessage(),
                            e));
                } catch (DiskException | RuntimeException | Error e) {
                    claim.completeExceptionally(e);
                }
            });
        } catch (RejectedExecutionException e) {
            claims.remove(claim);
            throw new DiskException(Reason.IO, "the bundle of Xen's nodes is stopping", e);
        }
        return claim;
    }

    private Claimed claimed(Wanted wanted) throws IOException, DiskException {
        if (!looked) {
            looked = true;
            removeLogsOfTheGone(wanted.runDir);
        }
        DevicePaths paths = wanted.reopened ? again(wanted) : wanted.device.paths(store);
        if (!open.add(paths)) {
            throw new DiskException(Reason.EXISTS, wanted.device.shown(paths.domain()) + " is served already");
        }
        try (CloseOnFailure opened = new CloseOnFailure(() -> open.remove(paths))) {
            if (wanted.reopened) {
                blkback.release(paths);
            } else {
                DeviceNodes.claim(store, paths, wanted.claim(claimant), blkback);
            }
            return opened.keep(new Claimed(paths, DeviceAccess.read(store, paths.backend())));
        }
    }

    private void removeLogsOfTheGone(Path runDir) {
        try {
            if (!allGone()) {
                RequestLogFile.removeOthers(
                        runDir,
                        (domain, device) ->
                                open.stream().anyMatch(each -> each.domain() == domain && each.device() == device)
                                        || DeviceNodes.isServed(store, domain, device));
            }
        } catch (IOException e) {
            LOG.log(
                    Level.WARNING,
                    "what domains that have ended have left in the run directory stays: " + e.getMessage());
        }
    }

    /** XenStore has come back without any domain, which is not believed. */
    private boolean allGone() throws IOException {
        return reconnected && store.list("/local/domain").size() <= 1;
    }

    /** Undoes a claim that nobody waits for any more. */
    private void release(Wanted wanted, DevicePaths paths) {
        open.remove(paths);
        if (!wanted.reopened) {
            try {
                DeviceNodes.remove(store, paths);
            } catch (IOException e) {
                LOG.log(Level.WARNING, wanted.attachment + ": " + e.getMessage());
            }
        }
    }

    /**
     * The device as it was left: found by the attachment's id, since domains are renamed, and their numbers and names
     * come back.
     */
    private DevicePaths again(Wanted wanted) throws IOException, DiskException {
        DomainDevice device = wanted.device;
        DevicePaths paths =
                DeviceNodes.servedBy(store, device.type(), device.device(), claimant.name(wanted.attachment));
        if (paths != null) {
            return paths;
        }
        String text = device.shown();
        if (allGone()) {
            throw new DiskException(Reason.IO, "XenStore knows no domain any more; " + text + " waits");
        }
        gone.gone(wanted.attachment, text, true);
        throw new DiskException(Reason.NOT_FOUND, "no domain has this disk as " + device.name() + " any more");
    }
}
