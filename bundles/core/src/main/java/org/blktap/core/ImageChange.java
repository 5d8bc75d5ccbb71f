package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.core.gate.FaultPolicy;

/**
 * Changes the image of one attachment while a VM has it: its size, or the image itself. Any thread but a loop; methods
 * wait as commands do.
 */
final class ImageChange {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final Attachment attachment;
    private final Records.Entry record;
    private final Services services;
    private final Operations operations;
    private final CommandWait commands;
    private final AttachmentDisk disk;
    private final AttachmentNodes nodes;

    ImageChange(Attachment attachment, AttachmentParts parts) {
        this.attachment = attachment;
        record = parts.record();
        services = parts.services();
        operations = parts.operations();
        commands = parts.commands();
        disk = parts.disk();
        nodes = parts.nodes();
    }

    // ---- another size

    /**
     * Grows the disk. The image is grown while it is closed, like one that is not attached, so that each driver has
     * only one resize, which survives a crash.
     *
     * @param sizeBytes -1 to take the size that the image has now
     * @return the size that the VM sees now
     */
    long resize(long sizeBytes) throws DiskException {
        return commands.forResult(operations.submit("being resized", () -> {
            attachment.checkRunning();
            DiskInfo before = disk.info();
            if (sizeBytes == before.sizeBytes()) {
                return sizeBytes;
            }
            if (sizeBytes != -1) {
                check(sizeBytes, before);
            }
            whileClosed(sizeBytes);
            long after = disk.info().sizeBytes();
            LOG.log(Level.INFO, attachment.id() + ": has " + after + " bytes, before " + before.sizeBytes());
            return after;
        }));
    }

    private void check(long sizeBytes, DiskInfo before) throws DiskException {
        if (sizeBytes <= 0 || sizeBytes % before.blockSize() != 0) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    named() + ": size " + sizeBytes + ": expected a multiple of its sectors of " + before.blockSize()
                            + " bytes");
        }
        if (sizeBytes < before.sizeBytes()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    named() + ": " + Options.sizeText(sizeBytes) + " is smaller than the present "
                            + Options.sizeText(before.sizeBytes())
                            + ", and a disk does not shrink under its VM; detach it first");
        }
        if (before.readOnly()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    named()
                            + " is read-only, and its image is not changed; without a size, resize takes the size that the image has now");
        }
    }

    private void whileClosed(long sizeBytes) throws DiskException {
        StateReason why = new StateReason(Kind.RESIZING, "being resized");
        long imageBytes = sizeBytes == -1 ? -1 : disk.filters().sizeBelow(sizeBytes);
        attachment.quiesce(why, services.limits().drain());
        DiskException failed;
        try {
            failed = attachment.closeDisk();
        } finally {
            attachment.to(new Life.Parked(why));
        }
        if (failed == null && imageBytes != -1) {
            failed = grow(imageBytes);
        }
        if (operations.closed()) {
            throw new DiskException(Reason.NOT_FOUND, named() + " was detached while it was resized");
        }
        try {
            attachment.opening().open();
        } catch (DiskException e) {
            String first = failed == null ? "" : failed.getMessage() + "; and then ";
            throw new DiskException(e.reason(), named() + " is parked: " + first + e.getMessage(), e);
        }
        if (failed != null) {
            throw new DiskException(
                    failed.reason(),
                    failed.getMessage() + "; " + named() + " continues with the size that it had",
                    failed);
        }
    }

    /** Has the driver grow the image; returns its exception, or null. */
    private DiskException grow(long sizeBytes) {
        TapSpec spec = attachment.request().spec();
        Map<String, String> options = new LinkedHashMap<>(attachment.request().options());
        options.remove("engine");
        options.remove(LockWait.OPTION);
        FaultPolicy.OPTIONS.forEach(options::remove);
        options.remove("max-chain");
        try {
            new ImageWork(services.loops(), services.memory(), services.installed(), services.configuration())
                    .resize(spec, sizeBytes, options);
            return null;
        } catch (DiskException e) {
            return e;
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, attachment.id() + ": the driver of " + spec + " threw while it resized the image", e);
            return new DiskException(Reason.IO, spec + ": internal error: " + e, e);
        }
    }

    // ---- another access

    /** Opens the disk read-only from now on. It is recorded before it is opened, so that no restart writes. */
    void makeReadOnly() throws DiskException {
        commands.forResult(operations.submit("being made read-only", () -> {
            AttachRequest before = attachment.request();
            if (before.readOnly()) {
                return null;
            }
            boolean running = attachment.life() instanceof Life.Running;
            StateReason why = running
                    ? new StateReason(Kind.NODE_CHANGE, "being made read-only")
                    : attachment.life().why();
            attachment.quiesce(why, services.limits().drain());
            try {
                // no request is taken now; a VM that connects from here on cannot write
                nodes.checkNoneWrites();
            } catch (DiskException e) {
                if (running) {
                    attachment.letThrough();
                }
                throw e;
            }
            AttachRequest readOnly = before.withoutWrites();
            DiskShape known = attachment.known();
            DiskShape shape = known == null ? null : known.withoutWrites();
            try {
                attachment.closeDisk();
                record.write(readOnly, shape);
                attachment.request(readOnly);
                attachment.known(shape);
            } finally {
                attachment.to(new Life.Parked(why));
                if (running) {
                    attachment.opening().open();
                }
            }
            return null;
        }));
    }

    // ---- another image

    /** Continues with another image after an operator has parked it. */
    void resumeOn(TapSpec image) throws DiskException {
        commands.forResult(operations.submit("being resumed on another image", () -> {
            Life life = attachment.life();
            if (life.why().kind() != Kind.OPERATOR) {
                throw new DiskException(
                        Reason.BUSY,
                        named() + " is " + (life instanceof Life.Parked ? "parked: " + life.why() : "not parked")
                                + "; park it first");
            }
            checkExchangeable();
            AttachRequest before = attachment.request();
            try {
                open(image, before.readOnly());
            } catch (DiskException | RuntimeException e) {
                attachment.closeDisk();
                attachment.to(new Life.Parked(
                        new StateReason(Kind.OPERATOR, Attachment.PARKED_BY_OPERATOR + "; " + e.getMessage())));
                recordAgain(before, true);
                throw e;
            }
            return null;
        }));
    }

    /**
     * Continues with another medium, or with none. A VM whose medium cannot be opened gets the next one in the same
     * way.
     *
     * @param force also where the disk is writable
     */
    void exchange(TapSpec medium, boolean force) throws DiskException {
        commands.forResult(operations.submit("its medium is being changed", () -> {
            Life life = attachment.life();
            AttachRequest before = attachment.request();
            if (!before.readOnly() && !force) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        named()
                                + " is writable, and so is no drive whose medium is changed; --force changes its image all the same");
            }
            if (!(life instanceof Life.Running || life instanceof Life.Parked)) {
                throw new DiskException(Reason.BUSY, named() + " is not running: " + life.why());
            }
            checkExchangeable();
            boolean byOperator = life.why().kind() == Kind.OPERATOR;
            StateReason why = new StateReason(Kind.MEDIUM_CHANGE, "its medium is being changed");
            try {
                if (life instanceof Life.Running) {
                    attachment.quiesce(why, services.limits().drain());
                    attachment.closeDisk();
                    attachment.to(new Life.Parked(why));
                } else if (disk.isOpen()) {
                    // parked since it fails
                    attachment.closeDisk();
                }
                open(medium, true);
            } catch (DiskException | RuntimeException e) {
                keep(before, life, byOperator);
                throw e;
            }
            return null;
        }));
    }

    private void checkExchangeable() throws DiskException {
        if (disk.savesAtDetach()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    attachment.request().spec() + ": saves its contents at the detach, and cannot be exchanged");
        }
    }

    /**
     * Opens another image. It is recorded before the VM's first request reaches it, so that no restart returns to the
     * old one.
     */
    private void open(TapSpec image, boolean anySize) throws DiskException {
        AttachRequest before = attachment.request();
        attachment.request(before.withSpec(image));
        try {
            attachment.opening().open(found -> {
                if (attachment.known() != null) {
                    attachment.known().checkSame(image, found, anySize);
                }
                record.write(attachment.request(), DiskShape.of(found));
                record.park(false);
            });
            attachment.known(DiskShape.of(disk.info()));
        } catch (DiskException | RuntimeException e) {
            attachment.request(before);
            throw e;
        }
    }

    /** Returns to the image that was there before. */
    private void keep(AttachRequest before, Life life, boolean byOperator) throws DiskException {
        if (attachment.life() instanceof Life.Running) {
            // requests do not end: the attachment continues
            return;
        }
        attachment.closeDisk();
        recordAgain(before, byOperator);
        attachment.to(new Life.Parked(
                life instanceof Life.Parked
                        ? life.why()
                        : new StateReason(Kind.MEDIUM_CHANGE, "its medium could not be changed")));
        if (life instanceof Life.Running && !operations.closed()) {
            attachment.opening().open();
        }
    }

    /** The image that replaces it may be on record already. */
    private void recordAgain(AttachRequest before, boolean parked) {
        try {
            record.park(parked);
        } catch (DiskException e) {
            LOG.log(Level.ERROR, attachment.id() + ": " + e.getMessage());
        }
        try {
            record.write(before, attachment.known());
        } catch (DiskException e) {
            LOG.log(Level.ERROR, attachment.id() + ": its record may be that of the change: " + e.getMessage());
        }
    }

    private String named() {
        return "attachment '" + attachment.id() + "'";
    }
}
