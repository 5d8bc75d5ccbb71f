package org.blktap.node.xen;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.blktap.linux.Prerequisite;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * The common parts of Xen's nodes: the limits of guests, the kernel's backend, and an opener of nodes for each
 * connection to XenStore, which is the prerequisite of {@link XenNodeProvider}.
 */
@Component(service = XenNodes.class, immediate = true)
@Capability(
        namespace = "osgi.service",
        attribute = "objectClass:List<String>=org.blktap.node.xen.NodeOpener",
        effective = "active")
public final class XenNodes implements ToolstackDisks.Gone {
    /** The id of the prerequisite: a connection to XenStore. */
    static final String XENSTORE = "org.blktap.xenstore";

    private final Prerequisite xenStore;
    private final XenBus bus;
    private final XenBus.Registration registration;
    private final Hypervisor xen = new NativeHypervisor();
    private final Blkback blkback = Blkback.ofSystem();
    private final GuestLimits limits;
    private final Claimant claimant;
    private final List<DeviceGone> listeners = new CopyOnWriteArrayList<>();
    /** Devices that went while there was no listener. */
    private final List<Untold> untold = new ArrayList<>();

    private NodeOpener opener;
    private boolean reconnected;
    private boolean stopped;

    private record Untold(String attachment, String node, boolean noDomain) {}

    @Activate
    public XenNodes(
            BundleContext bundle,
            @Reference XenStoreConnection connection,
            @Reference XenConfiguration configuration,
            @Reference ToolstackRole role) {
        xenStore = new Prerequisite(bundle, XENSTORE);
        limits = configuration.limits();
        claimant = role.claimant();
        this.bus = connection;
        registration = bus.listen(new XenStoreListener() {
            @Override
            public void onConnected(XenStore store) {
                provide(store);
            }

            @Override
            public void onLost() {
                withdraw();
            }

            @Override
            public void onAbsent(String reason) {
                absent(reason);
            }
        });
    }

    /** The limits of guests, and what they have taken of them. */
    GuestLimits limits() {
        return limits;
    }

    /** The kernel's backend, from which this takes devices. */
    Blkback blkback() {
        return blkback;
    }

    @Deactivate
    public void stop() {
        registration.close();
        synchronized (this) {
            stopped = true;
        }
        withdraw();
        xenStore.close();
    }

    private synchronized void provide(XenStore store) {
        if (stopped) {
            return;
        }
        opener = new NodeOpener(
                bus, store, xen, limits, blkback, claimant, this::gone, reconnected, NodeOpener.Patience.USUAL);
        xenStore.present(NodeOpener.class, opener);
        reconnected = true;
    }

    private synchronized void absent(String reason) {
        if (!stopped) {
            xenStore.absent(reason);
        }
    }

    private void withdraw() {
        NodeOpener ended;
        synchronized (this) {
            ended = opener;
            opener = null;
        }
        if (ended != null) {
            ended.end();
            // returns when all nodes are closed
            xenStore.close();
        }
    }

    @Override
    public synchronized void onGone(DeviceGone listener) {
        listeners.add(listener);
        // those of an earlier life of the daemon may be opened before anybody listens
        untold.forEach(each -> listener.gone(each.attachment, each.node, each.noDomain));
        untold.clear();
    }

    @Override
    public void noMore(DeviceGone listener) {
        listeners.remove(listener);
    }

    private synchronized void gone(String attachment, String node, boolean noDomain) {
        if (listeners.isEmpty()) {
            untold.add(new Untold(attachment, node, noDomain));
        }
        listeners.forEach(listener -> listener.gone(attachment, node, noDomain));
    }
}
