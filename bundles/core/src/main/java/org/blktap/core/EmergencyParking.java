package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.core.gate.Gate;

/**
 * Parks one attachment that cannot go on, until an operator resumes it: code that serves it threw, or another host has
 * taken its image. Methods are for its loop, except where noted.
 */
final class EmergencyParking {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final Attachment attachment;
    private final Records.Entry record;
    private final LoopCalls calls;
    private final Operations operations;
    private final Gate gate;
    private final AttachmentNodes nodes;
    private final AttachmentDisk disk;
    private volatile StateReason taken;
    private volatile boolean failing;

    EmergencyParking(Attachment attachment, AttachmentParts parts) {
        this.attachment = attachment;
        record = parts.record();
        calls = parts.calls();
        operations = parts.operations();
        gate = parts.gate();
        nodes = parts.nodes();
        disk = parts.disk();
    }

    /** Code on the loop threw, perhaps that of a node. Another driver of the disk resumes it, too. */
    void codeThrew(String what, Throwable failure) {
        failed(what, failure, true);
    }

    /** The disk, or a filter of it, threw. Another driver or filter resumes it, too. */
    void diskThrew(String what, Throwable failure) {
        failed(what, failure, false);
    }

    private void failed(String what, Throwable failure, boolean nodesToo) {
        if (failing) {
            return;
        }
        failing = true;
        gate.close();
        operations.submit("being parked after a failure", () -> {
            failing = false;
            Life life = attachment.life();
            if (life instanceof Life.Running
                    || life instanceof Life.Parked parked && parked.why().kind() != Kind.OPERATOR && disk.isOpen()) {
                StateReason why = new StateReason(Kind.FAILED, what + " threw " + failure + "; resume tries again");
                try {
                    attachment.quiesce(why, null);
                    attachment.closeDisk();
                    if (nodesToo) {
                        calls.run(() -> gate.held().forget());
                        nodes.close();
                    }
                } finally {
                    attachment.to(new Life.Parked(why));
                }
                LOG.log(Level.ERROR, attachment.id() + ": parked: " + why);
            }
            return null;
        });
    }

    /** Why it is about to be parked, since another host has taken its image; null if it is not. Any thread. */
    StateReason taken() {
        return taken;
    }

    /**
     * Another host has taken the image: parks it until an operator resumes it, also after a restart. What the VM would
     * find then is the operator's to judge.
     */
    void imageTaken(String why) {
        if (taken != null) {
            return;
        }
        StateReason reason = new StateReason(
                Kind.IMAGE_TAKEN, why + "; make sure that it does not write there any more, and resume");
        // operations that are queued before the one below may close the disk, and must not open it again
        taken = reason;
        gate.lose();
        LOG.log(Level.WARNING, attachment.id() + ": " + why);
        operations.submit("being parked, since its image was taken", () -> {
            taken = null;
            if (attachment.life().ending()) {
                return null;
            }
            try {
                record.park(true);
            } catch (DiskException e) {
                LOG.log(
                        Level.ERROR,
                        attachment.id() + ": a restart would open the image that was taken: " + e.getMessage());
            }
            attachment.park(reason, null);
            LOG.log(Level.ERROR, attachment.id() + ": parked: " + reason);
            return null;
        });
    }
}
