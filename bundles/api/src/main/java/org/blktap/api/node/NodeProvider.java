package org.blktap.api.node;

import org.blktap.api.disk.DiskException;
import org.osgi.annotation.versioning.ConsumerType;

/** A way to reach VMs: a service with the property {@code node.kind} ({@link NodeKind}). */
@ConsumerType
public interface NodeProvider {
    /**
     * Opens a node for an attachment: makes its socket or device and waits for the VM. Called on the attachment's loop.
     *
     * @throws DiskException with nothing left behind, e.g. EXISTS for a socket path that is taken
     */
    DeviceNode open(NodeContext context) throws DiskException;
}
