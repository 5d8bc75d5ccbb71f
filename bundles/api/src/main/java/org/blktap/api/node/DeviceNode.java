package org.blktap.api.node;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.osgi.annotation.versioning.ConsumerType;

/** Where a VM's ring meets us: one socket or device of one attachment. All methods run on the attachment's loop. */
@ConsumerType
public interface DeviceNode extends AutoCloseable {
    /** How a client names it, e.g. {@code vhost-user:/run/blktap/a.sock}. */
    String address();

    /** What {@code info} shows of it, in order: clients, queues, negotiated features. Values are numbers where that is what they are, else texts. */
    Map<String, ?> status();

    /** The port is open again: take what has waited. */
    void resumed();

    /** The disk has another size; {@link DiskPort#info} tells it. Tell the VM, if the protocol can. */
    void resized();

    /**
     * The attachment is to be detached: asks the VM to let the device go, if the protocol can ask. Requests are still taken, so that
     * the VM may write what it holds. After this, {@link #close} leaves nothing for the VM to come back to.
     *
     * @param force not to ask: the VM loses the device whatever it does with it
     * @return done when the VM has let it go, on the loop; ends with a {@link org.blktap.api.disk.DiskException} if it does not, and then the node goes on.
     *     Another node of the attachment may refuse after this one is done, and then the attachment goes on: a node whose VM has really let its device
     *     go takes itself away, by {@link org.blktap.api.control.Attachments#unplug}; one whose protocol cannot ask just goes on
     */
    default CompletionStage<Void> unplug(boolean force) {
        return CompletableFuture.completedFuture(null);
    }

    /**
     * Cuts the VM off although requests of it have not ended, and may never: a forced detach does not wait for a driver that is stuck. Takes no more
     * requests and disconnects; memory that those in flight refer to stays until they end. {@link #close} follows if they do.
     */
    default void disconnect() {
        // a node without connections has nothing to cut
    }

    /**
     * Ends the node and removes its socket. Nothing of it is in flight. Without an {@link #unplug} before, the VM is to find its device
     * again: the daemon restarts, or this node's bundle is replaced.
     */
    @Override
    void close();
}
