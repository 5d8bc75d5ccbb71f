package org.blktap.node.xen;

import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.blktap.api.node.NodeProvider;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * Serves disks to domains of Xen: the node kind {@code xen}, which is there as long as there is a XenStore.
 *
 * <p>Options: {@code xen:<domain>/<device>}, {@code backend=}, {@code devtype=}, {@code access=}, {@code queues=}.
 */
@Component(service = XenNodes.class, immediate = true)
public final class XenNodes implements ToolstackDisks.Gone {
    static final String KIND = "xen";
    private static final String SUMMARY = "domains of Xen: their block rings, by grants and event channels";

    private final BundleContext bundle;
    private final XenBus bus;
    private final XenBus.Registration registration;
    private final Hypervisor xen = new NativeHypervisor();
    private final Blkback blkback = Blkback.ofSystem();
    private final Limits limits;
    private final List<DeviceGone> listeners = new CopyOnWriteArrayList<>();
    /** Devices that went while there was no listener. */
    private final List<Untold> untold = new ArrayList<>();
    private ServiceRegistration<NodeProvider> provider;
    private NodeOpener opener;
    private boolean reconnected;
    private boolean stopped;

    private record Untold(String attachment, String node, boolean noDomain) {
    }

    @Activate
    public XenNodes(BundleContext bundle, @Reference XenStoreConnection connection, @Reference XenConfiguration configuration) {
        this.bundle = bundle;
        limits = configuration.limits();
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
        });
    }

    /** The limits of guests, and what they have taken of them. */
    Limits limits() {
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
    }

    private synchronized void provide(XenStore store) {
        if (stopped) {
            return;
        }
        Hashtable<String, Object> properties = new Hashtable<>();
        properties.put("node.kind", KIND);
        properties.put("node.summary", SUMMARY);
        opener = new NodeOpener(bus, store, xen, limits, blkback, this::gone, reconnected, NodeOpener.Patience.USUAL);
        provider = bundle.registerService(NodeProvider.class, opener, properties);
        reconnected = true;
    }

    private void withdraw() {
        ServiceRegistration<NodeProvider> going;
        synchronized (this) {
            going = provider;
            provider = null;
            if (opener != null) {
                opener.end();
                opener = null;
            }
        }
        if (going != null) {
            // returns when all nodes are closed
            going.unregister();
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
