package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.ExecutionException;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoLoop;
import org.blktap.core.Operations.Pending;

/**
 * Opens an attachment: for the first time, when what it lacks has come, and again after a change. Methods are for any
 * thread but a loop, and those that change the attachment for one operation at a time.
 */
final class AttachmentOpening {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final Attachment attachment;
    private final LockWait lockWait;
    private final Records.Entry record;
    private final Services services;
    private final IoLoop loop;
    private final Operations operations;
    private final CommandWait commands;
    private final AttachmentDisk disk;
    private final AttachmentNodes nodes;
    private volatile MissingService missing;

    AttachmentOpening(Attachment attachment, AttachmentParts parts, LockWait lockWait) {
        this.attachment = attachment;
        this.lockWait = lockWait;
        record = parts.record();
        services = parts.services();
        loop = parts.loop();
        operations = parts.operations();
        commands = parts.commands();
        disk = parts.disk();
        nodes = parts.nodes();
    }

    /** The service that the attachment lacks; null if none is known to be missing. */
    MissingService missing() {
        return missing;
    }

    void missing(MissingService what) {
        missing = what;
    }

    /** Opens it for the first time, and records it. Waits as long as that takes. */
    void attach() throws DiskException {
        Pending<Void> operation = operations.submit("being attached", () -> {
            try {
                open();
            } catch (LockWait.ImageInUse e) {
                LOG.log(Level.INFO, attachment.id() + ": " + attachment.life().why());
            }
            if (operations.closed()) {
                throw new DiskException(
                        Reason.NOT_FOUND, "attachment '" + attachment.id() + "' was detached while it was opened");
            }
            record.write(attachment.request(), attachment.known());
            attachment.events().attached(attachment.request(), attachment.life());
            return null;
        });
        try {
            operation.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.BUSY, "attachment '" + attachment.id() + "': interrupted", e);
        } catch (ExecutionException e) {
            throw commands.known(e.getCause());
        }
    }

    /** Whether it is parked or opening, and what it lacks may have arrived. */
    boolean waits() {
        Life now = attachment.life();
        if (now instanceof Life.Parked parked) {
            MissingService what = missing;
            Kind why = parked.why().kind();
            return why != Kind.OPERATOR
                    && why != Kind.FAILED
                    && !FaultParking.isFault(parked.why())
                    && why != Kind.IMAGE_TAKEN
                    && (what == null || services.present(what));
        }
        return now instanceof Life.Opening;
    }

    /**
     * Called when a driver has come, which may replace one that failed. The result is whether a {@link #retry} makes
     * sense.
     */
    Pending<Boolean> driverCame(String type) {
        return operations.submit("a driver has come", () -> mayServeNow(Kind.NO_DRIVER, disk.tried(type)));
    }

    /** Like {@link #driverCame}, for a filter that has come. */
    Pending<Boolean> filterCame(String type) {
        return operations.submit(
                "a filter has come",
                () -> mayServeNow(
                        Kind.NO_FILTER,
                        attachment.request().filters().stream()
                                .anyMatch(each -> Options.nameIn(each).equals(type))));
    }

    private boolean mayServeNow(Kind kind, boolean used) {
        boolean failed = used
                && attachment.life() instanceof Life.Parked parked
                && parked.why().kind() == Kind.FAILED;
        if (failed) {
            attachment.to(new Life.Parked(
                    new StateReason(kind, attachment.life().why().text())));
        }
        return failed;
    }

    /** Opens what is not open, if it still waits for that. */
    Pending<Boolean> retry() {
        return operations.submit("being opened", () -> {
            if (!waits()) {
                return false;
            }
            StateReason before = attachment.life().why();
            try {
                open();
                LOG.log(
                        Level.INFO,
                        attachment.id() + ": running on " + attachment.request().spec());
                return true;
            } catch (LockWait.ImageInUse e) {
                return false;
            } catch (DiskException e) {
                // every service that comes leads here; do not log the same reason again
                if (!before.text().equals(attachment.life().why().text())) {
                    LOG.log(
                            e instanceof MissingService ? Level.INFO : Level.WARNING,
                            attachment.id() + ": stays parked: " + e.getMessage());
                }
                return false;
            }
        });
    }

    /** Opens it as it is on record; what its VM knows of the disk must still be true. */
    void open() throws DiskException {
        open(found -> {
            DiskShape known = attachment.known();
            if (known != null) {
                known.checkReopened(attachment.request().spec(), found);
            }
        });
        DiskShape now = DiskShape.of(disk.info());
        DiskShape known = attachment.known();
        if (known == null ? lockWait.isAsked() : !known.equals(now)) {
            record.write(attachment.request(), now);
        }
        attachment.known(now);
    }

    /** Opens disk and nodes, and lets requests through; parks it if that cannot be done. */
    void open(AttachmentDisk.Fits fits) throws DiskException {
        StateReason taken = attachment.emergency().taken();
        if (taken != null) {
            attachment.to(new Life.Parked(taken));
            throw new DiskException(Reason.BUSY, "attachment '" + attachment.id() + "': " + taken.text());
        }
        if (!(attachment.life() instanceof Life.Opening)) {
            attachment.to(new Life.Opening());
        }
        missing = null;
        boolean first = attachment.known() == null;
        try {
            if (first) {
                lockWait.check(attachment.request());
            }
            // no VM writes to an image that the record does not name
            record.update(attachment.request(), attachment.known());
            if (record.rebase() != null && !disk.isOpen()) {
                rebase();
            }
            recordFilters(disk.open(attachment.request(), fits));
            nodes.open();
        } catch (MissingService e) {
            missing = e;
            attachment.to(new Life.Parked(new StateReason(e.kind(), e.getMessage())));
            throw e;
        } catch (DiskException failure) {
            if (first && lockWait.isAsked() && failure.reason() == Reason.BUSY && !disk.isOpen() && lockWait.goesOn()) {
                throw waitForImage(failure);
            }
            DiskException e = first ? lockWait.given(failure) : failure;
            Kind kind = e instanceof DiskShape.DifferentDisk
                    ? Kind.DIFFERENT_DISK
                    : e != failure ? Kind.IMAGE_IN_USE : Kind.OPEN_FAILED;
            attachment.to(new Life.Parked(new StateReason(kind, e.getMessage())));
            throw e;
        } catch (RuntimeException | Error e) {
            LOG.log(Level.ERROR, attachment.id() + ": cannot be opened: the driver, filter, engine or node threw", e);
            attachment.to(new Life.Parked(new StateReason(
                    Kind.FAILED, "opening " + attachment.request().spec() + " threw " + e)));
            throw new DiskException(Reason.IO, attachment.request().spec() + ": internal error: " + e, e);
        }
        attachment.letThrough();
        awaitStarted(first);
    }

    /** Waits for devices that appear only now. One that does not is no reason to stop others that were there before. */
    private void awaitStarted(boolean first) throws DiskException {
        try {
            nodes.awaitStarted();
        } catch (DiskException e) {
            if (first) {
                throw e;
            }
            LOG.log(Level.ERROR, attachment.id() + ": " + e.getMessage());
        }
    }

    /** Records filters that an image asks for, before a VM's request passes them. */
    private void recordFilters(AttachRequest opened) throws DiskException {
        if (!opened.filters().equals(attachment.request().filters())) {
            if (attachment.known() != null) {
                record.write(opened, DiskShape.of(disk.info()));
            }
            attachment.request(opened);
        }
    }

    /** Finishes a change of the chain that a kill has interrupted, or takes it back. */
    private void rebase() throws DiskException {
        Rebase first = record.rebase();
        new ImageWork(services.loops(), services.memory(), services.installed(), services.configuration())
                .rebase(first);
        record.rebasing(null);
        record.write(attachment.request(), attachment.known());
        LOG.log(Level.INFO, attachment.id() + ": " + first);
    }

    /** Begins to wait for an image that others have open; its VM waits meanwhile. */
    private LockWait.ImageInUse waitForImage(DiskException inUse) throws DiskException {
        try {
            nodes.checkKinds();
        } catch (DiskException | RuntimeException e) {
            attachment.to(new Life.Parked(new StateReason(Kind.OPEN_FAILED, String.valueOf(e.getMessage()))));
            throw e;
        }
        LockWait.ImageInUse waits = new LockWait.ImageInUse(inUse);
        attachment.to(new Life.Opening(new StateReason(Kind.IMAGE_IN_USE, waits.getMessage())));
        lockWait.lookSoon(
                loop,
                () -> operations.submit("being opened", () -> {
                    lookForImage();
                    return null;
                }));
        return waits;
    }

    private void lookForImage() {
        lockWait.looked();
        if (attachment.life().why().kind() != Kind.IMAGE_IN_USE) {
            return;
        }
        try {
            open();
            LOG.log(
                    Level.INFO,
                    attachment.id() + ": running on " + attachment.request().spec() + ", which others have let go");
        } catch (LockWait.ImageInUse e) {
            LOG.log(Level.DEBUG, attachment.id() + ": " + e.getMessage());
        } catch (DiskException e) {
            LOG.log(Level.WARNING, attachment.id() + ": parked: " + e.getMessage());
        }
    }
}
