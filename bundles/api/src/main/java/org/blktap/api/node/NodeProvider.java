package org.blktap.api.node;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
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

    /**
     * Whether the VM of a node with these options only reads: an attachment all of whose nodes say so opens its disk
     * read-only. Any thread.
     *
     * @throws DiskException BAD_OPTION
     */
    default boolean onlyReads(Options options) throws DiskException {
        return false;
    }

    /**
     * Opens a node without having the loop wait, for a provider that must ask another process first. Called on the
     * attachment's loop instead of {@link #open}; by default that, at once.
     *
     * @return the node, on the loop; ends with a {@link DiskException} within a bound that the provider states. A
     *     caller that waits no longer completes it itself, and then nothing is left behind
     * @throws DiskException as {@link #open}, for what is known at once
     */
    default CompletionStage<DeviceNode> openLater(NodeContext context) throws DiskException {
        return CompletableFuture.completedFuture(open(context));
    }
}
