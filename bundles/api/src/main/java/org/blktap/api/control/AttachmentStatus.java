package org.blktap.api.control;

import java.util.List;
import java.util.Map;

/**
 * One attachment as commands show it.
 *
 * @param state see {@link State}
 * @param reason why it is in this state, or that it does not respond in it; {@link StateReason#NONE} if all is as asked
 *     for
 * @param sizeBytes of the disk, or of the last open one while parked
 * @param engine the I/O engine's name
 * @param options as given to attach
 * @param details reported by the driver about the disk
 * @param filters their specs, from the disk to the nodes
 */
public record AttachmentStatus(
        String id,
        String spec,
        State state,
        StateReason reason,
        long sizeBytes,
        int blockSize,
        boolean readOnly,
        String engine,
        List<Node> nodes,
        Map<String, String> options,
        Map<String, String> details,
        List<String> filters) {
    /** The key of {@link #details} with the spec of the backing image, if there is one. */
    public static final String BACKING = "backing image";

    /** An attachment without filters. */
    public AttachmentStatus(
            String id,
            String spec,
            State state,
            StateReason reason,
            long sizeBytes,
            int blockSize,
            boolean readOnly,
            String engine,
            List<Node> nodes,
            Map<String, String> options,
            Map<String, String> details) {
        this(id, spec, state, reason, sizeBytes, blockSize, readOnly, engine, nodes, options, details, List.of());
    }

    /** The life of an attachment. */
    public enum State {
        /** Its image and its nodes are being opened. */
        OPENING,
        /** Serving. */
        RUNNING,
        /** Takes no new requests; those at the disk are ending, and the disk is flushed and closed. */
        PARKING,
        /** The VM's requests wait; the disk is closed, unless its storage has failed or only a node is missing. */
        PARKED,
        /** Being taken down; its id is taken until that has ended. */
        DETACHING
    }

    /** @param status reported by the node: clients, queues; numbers and texts */
    public record Node(String kind, String address, Map<String, ?> status) {}
}
