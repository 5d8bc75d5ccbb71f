package org.blktap.node.xen;

import java.io.IOException;
import java.util.Hashtable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
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
    private final List<BiConsumer<String, String>> listeners = new CopyOnWriteArrayList<>();
    /** Attachments whose domains have gone, by their ids, while nobody listened, and their nodes. */
    private final Map<String, String> untold = new LinkedHashMap<>();
    private ServiceRegistration<NodeProvider> provider;
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
        Opener opener = new Opener(bus, store, xen, this::gone, reconnected, XenNode.UNPLUG_MILLISECONDS);
        provider = bundle.registerService(NodeProvider.class, opener::open, properties);
        reconnected = true;
    }

    private void withdraw() {
        ServiceRegistration<NodeProvider> going;
        synchronized (this) {
            going = provider;
            provider = null;
        }
        if (going != null) {
            // returns when all nodes are closed
            going.unregister();
        }
    }

    /**
     * Opens nodes on one connection to XenStore.
     *
     * @param gone told the id of an attachment and the address of its node, when the domain has let the device go
     * @param reconnected whether there was a connection before: then a XenStore without any domain is not believed to say that all have gone
     * @param open the devices that have a node
     */
    record Opener(XenBus bus, XenStore store, Hypervisor xen, BiConsumer<String, String> gone, boolean reconnected, long unplugMilliseconds,
            Set<DevicePaths> open) {

        Opener(XenBus bus, XenStore store, Hypervisor xen, BiConsumer<String, String> gone, boolean reconnected, long unplugMilliseconds) {
            this(bus, store, xen, gone, reconnected, unplugMilliseconds, ConcurrentHashMap.newKeySet());
        }

        DeviceNode open(NodeContext context) throws DiskException {
            DomainDevice wanted = DomainDevice.parse(context.target(), context.options());
            int queues = context.options().number("queues", 4, 1, XenBackend.QUEUES_MAX);
            try {
                return open(context, wanted, context.reopened() ? again(context, wanted) : wanted.paths(store), queues);
            } catch (IOException e) {
                throw new DiskException(Reason.IO, "xen:" + context.target() + ": " + e.getMessage(), e);
            }
        }

        private DeviceNode open(NodeContext context, DomainDevice wanted, DevicePaths paths, int queues) throws IOException, DiskException {
            String address = wanted.shown(paths.domain());
            if (!open.add(paths)) {
                throw new DiskException(Reason.EXISTS, address + " is served already");
            }
            boolean done = false;
            try {
                if (!context.reopened()) {
                    DeviceNodes.claim(store, paths, context.id(), wanted.name(), context.port().info().readOnly());
                }
                DeviceNode node = new XenNode(context, bus, store, xen, paths, address, queues, () -> gone.accept(context.id(), address),
                        () -> open.remove(paths), unplugMilliseconds);
                done = true;
                return node;
            } finally {
                if (!done) {
                    open.remove(paths);
                }
            }
        }

        /** The device as it was left: found by the attachment's id, since domains are renamed, and their numbers and names come back. */
        private DevicePaths again(NodeContext context, DomainDevice wanted) throws IOException, DiskException {
            DevicePaths paths = DeviceNodes.servedBy(store, wanted.type(), wanted.device(), context.id());
            if (paths != null) {
                return paths;
            }
            if (reconnected && store.list("/local/domain").size() <= 1) {
                throw new DiskException(Reason.IO, "XenStore knows no domain any more; xen:" + context.target() + " waits");
            }
            gone.accept(context.id(), "xen:" + context.target() + (wanted.type().equals(DomainDevice.TYPE) ? "" : ",backend=" + wanted.type()));
            throw new DiskException(Reason.NOT_FOUND, "no domain has this disk as " + wanted.name() + " any more");
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
