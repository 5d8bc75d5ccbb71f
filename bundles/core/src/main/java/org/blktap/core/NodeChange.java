package org.blktap.core;

import java.util.ArrayList;
import java.util.List;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.core.gate.Gate;

/**
 * Adds nodes to one attachment and removes them while it goes on. Any thread but a loop; methods wait as commands do,
 * except where noted.
 */
final class NodeChange {
    private final Attachment attachment;
    private final Records.Entry record;
    private final Services services;
    private final LoopCalls calls;
    private final Operations operations;
    private final CommandWait commands;
    private final Gate gate;
    private final AttachmentNodes nodes;
    private final AttachmentDisk disk;

    NodeChange(Attachment attachment, AttachmentParts parts) {
        this.attachment = attachment;
        record = parts.record();
        services = parts.services();
        calls = parts.calls();
        operations = parts.operations();
        commands = parts.commands();
        gate = parts.gate();
        nodes = parts.nodes();
        disk = parts.disk();
    }

    /** Opens one more node; before the disk has been open, that comes with the disk. */
    void plug(String node) throws DiskException {
        commands.forResult(operations.submit("a node is being added", () -> {
            nodes.add(node, disk.hasBeenOpen());
            List<String> more = new ArrayList<>(attachment.request().nodes());
            more.add(node);
            try {
                recordNodes(more);
            } catch (DiskException | RuntimeException e) {
                removeNode(node, true);
                throw e;
            }
            return null;
        }));
    }

    /** Ends one of its nodes, after its VM has released the device. */
    void unplug(String node, boolean force) throws DiskException {
        commands.forResult(operations.submit("a node is being removed", () -> {
            List<String> fewer = new ArrayList<>(attachment.request().nodes());
            fewer.remove(removeNode(node, force));
            recordNodes(fewer);
            return null;
        }));
    }

    /** The spec of the node that was removed. */
    private String removeNode(String node, boolean force) throws DiskException {
        Life before = attachment.life();
        try {
            return nodes.remove(node, force, () -> {
                attachment.quiesce(
                        new StateReason(Kind.NODE_CHANGE, "a node is being removed"),
                        services.limits().drain());
                failHeld();
            });
        } finally {
            if (attachment.life() instanceof Life.Parking) {
                if (before instanceof Life.Running) {
                    attachment.letThrough();
                } else {
                    // its image is waited for, and the next look opens it
                    attachment.to(new Life.Parked(before.why()));
                }
            }
        }
    }

    /**
     * Fails all held requests before a node closes: they may refer to its memory, and it is not known which node made
     * them.
     */
    void failHeld() throws DiskException {
        if (calls.ask(() -> gate.held().anyAtDisk())) {
            attachment.closeDisk();
        }
        calls.run(() -> gate.held().fail());
    }

    private void recordNodes(List<String> specs) throws DiskException {
        AttachRequest changed = attachment.request().withNodes(specs);
        record.write(changed, attachment.known());
        attachment.request(changed);
    }
}
