package org.blktap.api.node;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * The daemon's end of a VM's connection: one socket or device of one attachment. All methods run on the attachment's
 * loop.
 */
@ConsumerType
public interface DeviceNode extends AutoCloseable {
    /** How a client names it, e.g. {@code vhost-user:/run/blktap/a.sock}. */
    String address();

    /**
     * What {@code info} shows of it, in order: clients, queues, negotiated features. Values are numbers where that is
     * what they are, else texts.
     */
    Map<String, ?> status();

    /**
     * Whether its VM may be writing: it has the device, and knows it as writable. The disk cannot become read-only
     * then. By default true, for a node that does not know.
     */
    default boolean mayWrite() {
        return true;
    }

    /** Called when the port is open again: submits the requests that have waited. */
    void resumed();

    /**
     * Called once the port is open for the first time since the node was opened, and after {@link #resumed}: for a
     * device that can appear only when requests are served, because somebody reads it at once.
     *
     * @return completes on the loop when the device is there, within a bound that the node states: an attach waits for
     *     it. Fails with a {@link org.blktap.api.disk.DiskException} if the device cannot appear, and then a new
     *     attachment ends
     */
    default CompletionStage<Void> started() {
        return CompletableFuture.completedFuture(null);
    }

    /**
     * Called when the disk's size has changed; {@link DiskPort#info} has the new one. Notifies the VM, if the protocol
     * can.
     */
    void resized();

    /**
     * Asks the VM to release the device before {@link #remove}, if the protocol can ask. The node still takes requests,
     * so that the VM can write its cache. A forced detach does not call this.
     *
     * @return completes on the loop when the VM has released it; fails with a {@link org.blktap.api.disk.DiskException}
     *     if it does not, and then the node continues. Another node of the attachment may refuse after this one is
     *     done, and then the attachment continues: a node whose VM has released its device has itself removed by
     *     {@link org.blktap.api.control.Attachments#unplug}; one whose protocol cannot ask just continues
     */
    default CompletionStage<Void> unplug() {
        return CompletableFuture.completedFuture(null);
    }

    /**
     * Disconnects the VM for good while requests of it are in flight that may never end: a forced detach does not wait
     * for a stuck driver. Takes no more requests; memory that those in flight refer to stays until they end.
     * {@link #remove} follows if they do.
     */
    default void disconnect() {
        // a node without connections has nothing to cut
    }

    /**
     * Ends the node so that its VM finds the device again: the daemon restarts, or the node's bundle is replaced. No
     * request of it is in flight.
     */
    @Override
    void close();

    /**
     * Ends the node for good: removes what the VM could reconnect to, and takes the device from a VM that has not
     * released it. No request of it is in flight. By default {@link #close}, for a node whose close leaves nothing.
     */
    default void remove() {
        close();
    }
}
