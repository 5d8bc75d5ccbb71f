package org.blktap.node.xen;

import java.util.Hashtable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;
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
 * <p>Options: {@code xen:<domain>/<device>}, {@code backend=}, {@code queues=}.
 */
@Component(service = XenNodes.class, immediate = true)
public final class XenNodes implements ToolstackDisks.Gone {
    static final String KIND = "xen";
    private static final String SUMMARY = "domains of Xen: their block rings, by grants and event channels";

    private final BundleContext bundle;
    private final XenBus bus;
    private final XenBus.Registration registration;
    private final Hypervisor xen = new NativeHypervisor();
    private final Limits limits = Limits.ofSystem(NativeGrantTable.mappingsMax());
    private final List<BiConsumer<String, String>> listeners = new CopyOnWriteArrayList<>();
    /** Attachments whose domains ended while there was no listener, by id, with their nodes. */
    private final Map<String, String> untold = new LinkedHashMap<>();
    private ServiceRegistration<NodeProvider> provider;
    private NodeOpener opener;
    private boolean reconnected;
    private boolean stopped;

    @Activate
    public XenNodes(BundleContext bundle, @Reference XenStoreConnection connection) {
        this.bundle = bundle;
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
        opener = new NodeOpener(bus, store, xen, limits, this::gone, reconnected, NodeOpener.Patience.USUAL);
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
    public synchronized void onGone(BiConsumer<String, String> listener) {
        listeners.add(listener);
        // those of an earlier life of the daemon may be opened before anybody listens
        untold.forEach(listener::accept);
        untold.clear();
    }

    @Override
    public void noMore(BiConsumer<String, String> listener) {
        listeners.remove(listener);
    }

    private synchronized void gone(String attachment, String node) {
        if (listeners.isEmpty()) {
            untold.put(attachment, node);
        }
        listeners.forEach(listener -> listener.accept(attachment, node));
    }
}
