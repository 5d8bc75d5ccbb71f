package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.StateReason;
import org.blktap.api.disk.DiskException;

/**
 * Removes what a domain or a daemon that died has left: devices in XenStore whose attachment is no more, and
 * attachments whose domain is no more and whose nodes cannot find that out because they are not open.
 */
final class Leftovers {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** When it is looked again at what may only have been under way. */
    private static final long AGAIN_MILLISECONDS = 3_000;

    private final Attachments attachments;
    private final ToolstackAttachments ends;
    private final XenBus bus;
    private final SharedWork worker;
    private final Claimant claimant;
    private volatile boolean stopped;
    private volatile boolean reconnected;

    Leftovers(Attachments attachments, ToolstackAttachments ends, XenBus bus, SharedWork worker, Claimant claimant) {
        this.attachments = attachments;
        this.ends = ends;
        this.bus = bus;
        this.worker = worker;
        this.claimant = claimant;
    }

    void stop() {
        stopped = true;
    }

    /**
     * XenStore is here.
     *
     * @param again whether it was here before: then one without any domain is not believed to say that all have gone
     */
    void begin(XenStore store, boolean again) throws IOException {
        reconnected = again;
        for (String type : DomainDevice.TYPES) {
            for (DevicePaths paths : DeviceNodes.all(store, type)) {
                worker.execute(paths.domain(), () -> forgetUnknown(store, paths, true));
            }
        }
        look(store);
    }

    // ---- devices without an attachment

    /**
     * A daemon that was killed while it attached or plugged has left the name of an attachment on a device that is not
     * on its record.
     */
    private void forgetUnknown(XenStore store, DevicePaths paths, boolean first) {
        try {
            String name = DeviceNodes.attachment(store, paths);
            // those of another instance are on its record
            String id = name == null ? null : claimant.attachment(name);
            if (stopped || id == null || has(id, paths)) {
                return;
            }
            if (first && isKnown(id)) {
                // its node may just be opening
                bus.after(
                        AGAIN_MILLISECONDS,
                        () -> worker.execute(paths.domain(), () -> forgetUnknown(store, paths, false)));
            } else {
                LOG.log(Level.INFO, paths.backend() + ": was of the attachment " + id + ", which does not have it");
                DeviceNodes.forget(store, paths);
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, e.getMessage());
        }
    }

    private boolean isKnown(String id) {
        try {
            attachments.status(id);
            return true;
        } catch (DiskException e) {
            return e.reason() != DiskException.Reason.NOT_FOUND;
        }
    }

    private boolean has(String id, DevicePaths paths) {
        try {
            for (AttachmentStatus.Node node : attachments.status(id).nodes()) {
                DomainDevice device = DomainDevice.ofNode(node.address());
                if (device != null && device.mayBe(paths)) {
                    return true;
                }
            }
            return false;
        } catch (DiskException e) {
            return e.reason() != DiskException.Reason.NOT_FOUND;
        }
    }

    // ---- attachments without a domain

    /**
     * Ends attachments whose domains have gone and that are parked, or wait for an image. Those that are open notice
     * that themselves; those being opened are looked at again.
     */
    void look(XenStore store) {
        worker.execute(this, () -> {
            try {
                if (!stopped && endThoseWithoutADomain(store)) {
                    bus.after(AGAIN_MILLISECONDS, () -> look(store));
                }
            } catch (IOException e) {
                LOG.log(Level.DEBUG, e.getMessage());
            }
        });
    }

    /** Whether some must be looked at again. */
    private boolean endThoseWithoutADomain(XenStore store) throws IOException {
        boolean some = false;
        if (reconnected && store.list("/local/domain").size() <= 1) {
            return some;
        }
        for (AttachmentStatus attachment : attachments.list()) {
            for (AttachmentStatus.Node node : attachment.nodes()) {
                DomainDevice device = deviceOf(node);
                if (device == null) {
                    continue;
                }
                if (mayStay(store, attachment, device)) {
                    some |= attachment.state() == AttachmentStatus.State.OPENING
                            || attachment.state() == AttachmentStatus.State.PARKED;
                } else if (DeviceNodes.servedBy(store, device.type(), device.device(), claimant.name(attachment.id()))
                        == null) {
                    LOG.log(Level.INFO, attachment.id() + ": no domain has it as " + device.name() + " any more");
                    ends.letGo(attachment.id(), node.address(), true);
                }
            }
        }
        return some;
    }

    /** Whether nothing can be said yet, or nothing need be, as its nodes are open. */
    private static boolean mayStay(XenStore store, AttachmentStatus attachment, DomainDevice device)
            throws IOException {
        if (attachment.reason().kind() != StateReason.Kind.IMAGE_IN_USE) {
            return attachment.state() != AttachmentStatus.State.PARKED;
        }
        try {
            // it has no device yet; of a domain that is gone, as its migration was given up, it must not take the image
            return device.paths(store) != null;
        } catch (DiskException e) {
            return e.reason() != DiskException.Reason.NOT_FOUND;
        }
    }

    private static DomainDevice deviceOf(AttachmentStatus.Node node) {
        try {
            return DomainDevice.ofNode(node.address());
        } catch (DiskException e) {
            return null;
        }
    }
}
