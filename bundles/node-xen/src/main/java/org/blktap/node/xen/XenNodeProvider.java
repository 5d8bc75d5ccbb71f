package org.blktap.node.xen;

import java.util.concurrent.CompletionStage;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.node.NodeContext;
import org.blktap.api.node.NodeKind;
import org.blktap.api.node.NodeProvider;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * The node kind {@code xen}: active while there is a connection to XenStore.
 *
 * <p>Options: {@code xen:<domain>/<device>}, {@code backend=}, {@code devtype=}, {@code access=}, {@code queues=}.
 */
@Component(service = NodeProvider.class)
@NodeKind(kind = XenNodeProvider.KIND, summary = "domains of Xen: their block rings, by grants and event channels")
public final class XenNodeProvider implements NodeProvider {
    static final String KIND = "xen";

    private final NodeOpener connected;

    // no reference to XenNodes: it would deactivate this component before the opener, whose end keeps others from
    // waiting for XenStore
    @Activate
    public XenNodeProvider(@Reference(target = "(osgi.condition.id=" + XenNodes.XENSTORE + ")") NodeOpener connected) {
        this.connected = connected;
    }

    @Override
    public DeviceNode open(NodeContext context) throws DiskException {
        return connected.open(context);
    }

    @Override
    public boolean onlyReads(Options options) throws DiskException {
        return connected.onlyReads(options);
    }

    @Override
    public CompletionStage<DeviceNode> openLater(NodeContext context) throws DiskException {
        return connected.openLater(context);
    }
}
