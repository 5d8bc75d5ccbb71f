package org.blktap.core;

import java.util.concurrent.CompletableFuture;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.node.NodeProvider;

/**
 * Parks one attachment when a service that it uses goes away. Methods do not wait; what they return completes when
 * nothing of the service is in use, with whether it was in use.
 */
final class ServiceLoss {
    private final Attachment attachment;
    private final Operations operations;
    private final NodeChange nodeChange;
    private final AttachmentNodes nodes;
    private final AttachmentDisk disk;

    ServiceLoss(Attachment attachment, AttachmentParts parts, NodeChange nodeChange) {
        this.attachment = attachment;
        operations = parts.operations();
        this.nodeChange = nodeChange;
        nodes = parts.nodes();
        disk = parts.disk();
    }

    /**
     * A driver is going away: parks if the disk, or an image of its chain, is of it. Ends with nothing of it in use.
     */
    CompletableFuture<Boolean> driverGone(Registry.Entry<DiskDriver> gone) {
        return leave(
                Kind.NO_DRIVER,
                gone.name(),
                "waiting for the driver of tap:" + gone.name(),
                () -> disk.uses(gone),
                attachment::closeDisk);
    }

    /** Parks if it uses a filter that is going away: a disk does not run without one of its filters. */
    CompletableFuture<Boolean> filterGone(Registry.Entry<DiskFilter> gone) {
        return leave(
                Kind.NO_FILTER,
                gone.name(),
                "waiting for the filter " + gone.name(),
                () -> disk.filteredBy(gone),
                attachment::closeDisk);
    }

    /** Parks if it uses an I/O engine that is going away. */
    CompletableFuture<Boolean> engineGone(Registry.Entry<IoEngine> gone) {
        return leave(
                Kind.NO_ENGINE,
                gone.name(),
                "waiting for the I/O engine " + gone.name(),
                () -> disk.isCarriedBy(gone),
                attachment::closeDisk);
    }

    /** Closes the nodes of a kind that is going away; they open again when it is back. */
    CompletableFuture<Boolean> providerGone(Registry.Entry<NodeProvider> gone) {
        return leave(
                Kind.NO_NODE_KIND,
                gone.name(),
                "waiting for nodes of kind " + gone.name(),
                () -> nodes.anyServedBy(gone),
                () -> {
                    nodeChange.failHeld();
                    nodes.closeServedBy(gone);
                });
    }

    private interface Usage {
        boolean uses();
    }

    private CompletableFuture<Boolean> leave(Kind kind, String name, String text, Usage usage, LoopCalls.Action close) {
        if (operations.closed()) {
            // its end uses the service until it has ended
            return attachment.end().done().handle((nothing, failure) -> false);
        }
        return operations.submit(text, () -> {
            if (!usage.uses() || attachment.life().ending()) {
                return false;
            }
            boolean stays = attachment.life().why().kind() == Kind.OPERATOR
                    || attachment.life().why().kind() == Kind.FAILED
                    || attachment.life().why().kind() == Kind.IMAGE_TAKEN;
            StateReason why = stays ? attachment.life().why() : new StateReason(kind, text);
            if (!stays) {
                attachment.opening().missing(new MissingService(kind, name, text));
            }
            try {
                attachment.quiesce(why, null);
                close.run();
            } finally {
                attachment.to(new Life.Parked(why));
            }
            return true;
        });
    }
}
