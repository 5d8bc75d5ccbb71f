package org.blktap.node.ublk;

import java.lang.System.Logger;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeKind;
import org.blktap.api.node.NodeProvider;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * The node kind {@code ublk}: active where the kernel has ublk and the daemon may use it ({@link UblkPresence}).
 *
 * <p>Options: see {@link NodeOptions}.
 */
@Component(service = NodeProvider.class)
@NodeKind(kind = UblkNodeProvider.KIND, summary = "this host: a block device /dev/ublkbN, by Linux's ublk driver")
public final class UblkNodeProvider implements NodeProvider {
    static final String KIND = "ublk";
    private static final Logger LOG = System.getLogger("org.blktap.node.ublk");
    private static final int LINES_AT_ONCE = 20;
    private static final long LINE_MILLISECONDS = TimeUnit.SECONDS.toMillis(10);

    private final UblkHost host;
    private final long features;
    /** Attachments that have a node of this kind. */
    private final Set<String> open = ConcurrentHashMap.newKeySet();

    @Activate
    public UblkNodeProvider(
            @Reference(target = "(osgi.condition.id=" + UblkPresence.ID + ")") UblkPresence.Driver driver) {
        this(new LinuxHost(), driver.features());
    }

    UblkNodeProvider(UblkHost host, long features) {
        this.host = host;
        this.features = features;
    }

    @Override
    public DeviceNode open(NodeContext context) throws DiskException {
        throw new DiskException(Reason.UNSUPPORTED, "a ublk device is opened by openLater");
    }

    @Override
    public CompletionStage<DeviceNode> openLater(NodeContext context) throws DiskException {
        NodeOptions options = NodeOptions.of(context);
        // refused before a device is made, since the core checks only afterwards
        context.options().checkAllKnown("node " + KIND);
        String key = UblkNode.keptName(context);
        if (!open.add(key)) {
            throw new DiskException(Reason.EXISTS, "attachment '" + context.id() + "' has a ublk device already");
        }
        LimitedLog log = new LimitedLog(LOG, context.id(), LINES_AT_ONCE, LINE_MILLISECONDS);
        CompletableFuture<UblkNode> opening =
                new DeviceOpening(context, host, log, features, options, () -> open.remove(key)).open();
        CompletableFuture<DeviceNode> opened = new CompletableFuture<>();
        opening.whenComplete((node, failure) -> {
            if (failure != null) {
                open.remove(key);
                opened.completeExceptionally(failure.getCause() == null ? failure : failure.getCause());
            } else if (!opened.complete(node)) {
                // nobody waits for the device any more
                if (context.reopened()) {
                    node.close();
                } else {
                    node.remove();
                }
            }
        });
        return opened;
    }
}
