package org.blktap.node.xen;

import java.io.IOException;
import java.util.Hashtable;
import java.util.List;
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
    private ServiceRegistration<NodeProvider> provider;

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
        withdraw();
    }

    private synchronized void provide(XenStore store) {
        Hashtable<String, Object> properties = new Hashtable<>();
        properties.put("node.kind", KIND);
        properties.put("node.summary", SUMMARY);
        provider = bundle.registerService(NodeProvider.class, context -> open(context, bus, store, xen, this::gone, XenNode.UNPLUG_MILLISECONDS),
                properties);
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

    static DeviceNode open(NodeContext context, XenBus bus, XenStore store, Hypervisor xen, BiConsumer<String, String> gone, long unplugMilliseconds)
            throws DiskException {
        DomainDevice wanted = DomainDevice.parse(context.target(), context.options());
        int queues = context.options().number("queues", 4, 1, XenBackend.QUEUES_MAX);
        try {
            DevicePaths paths = wanted.paths(store);
            DeviceNodes.claim(store, paths, context.id(), context.reopened(), wanted.name(), context.port().info().readOnly());
            String address = wanted.shown(paths.domain());
            return new XenNode(context, bus, store, xen, paths, address, queues, () -> gone.accept(context.id(), address), unplugMilliseconds);
        } catch (IOException e) {
            throw new DiskException(Reason.IO, "xen:" + context.target() + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void onGone(BiConsumer<String, String> listener) {
        listeners.add(listener);
    }

    @Override
    public void noMore(BiConsumer<String, String> listener) {
        listeners.remove(listener);
    }

    private void gone(String attachment, String node) {
        listeners.forEach(listener -> listener.accept(attachment, node));
    }
}
