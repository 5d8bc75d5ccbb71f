package org.blktap.api.node;

import java.util.Map;
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

    /** Ends the node and removes its socket. Nothing of it is in flight. */
    @Override
    void close();
}
