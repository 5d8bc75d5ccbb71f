package org.blktap.api.control;

import java.util.List;
import java.util.Map;

/**
 * One attachment as commands show it.
 *
 * @param state see {@link State}
 * @param reason why it is in this state, when that is not what was asked for; else empty
 * @param sizeBytes of the disk, or of the last open one while parked
 * @param engine the I/O engine's name
 * @param options as given to attach
 * @param details what the driver tells of the disk
 */
public record AttachmentStatus(String id, String spec, State state, String reason, long sizeBytes, int blockSize,
        boolean readOnly, String engine, List<Node> nodes, Map<String, String> options, Map<String, String> details) {

    /** The life of an attachment. */
    public enum State {
        /** Serving. */
        RUNNING,
        /** The disk is closed and its requests wait: the driver is being replaced or away, or an operator asked. */
        PARKED,
        /** Being taken down. */
        DETACHING
    }

    /** @param status what the node tells: clients, queues; numbers and texts */
    public record Node(String kind, String address, Map<String, ?> status) {
    }
}
