package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.Attachments.ImageSwitch;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.blktap.core.Records.PreparedRecord;

/**
 * Has one attachment continue with an image that holds the same, or with a larger backing image, while a VM has it. The
 * steps are: check all that can be checked; flush, and prepare the record; make requests wait; flush the rest; close
 * the image; give the overlay its other backing image; open the new image; put the record in force; let requests
 * through. At each of them, the record names an image that is right. Any thread but a loop; methods wait as commands
 * do.
 */
final class DiskSwitch {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final Attachment attachment;
    private final Records.Entry record;
    private final Services services;
    private final Operations operations;
    private final CommandWait commands;
    private final AttachmentDisk disk;

    DiskSwitch(Attachment attachment, AttachmentParts parts) {
        this.attachment = attachment;
        record = parts.record();
        services = parts.services();
        operations = parts.operations();
        commands = parts.commands();
        disk = parts.disk();
    }

    /** Returns how long requests waited. */
    Duration to(ImageSwitch to) throws DiskException {
        return commands.forResult(operations.submit("its image is being changed", () -> run(to)));
    }

    private Duration run(ImageSwitch to) throws DiskException {
        attachment.checkRunning();
        AttachRequest before = attachment.request();
        AttachRequest after = changed(before, to);
        disk.checkOpens(after);
        Rebase rebase = to.overlay() == null ? null : disk.image().rebase(to);
        Rebase undo = rebase == null ? null : disk.image().present(rebase);
        if (rebase != null) {
            OpenContext.driver(services.installed().drivers(), rebase.overlay().type());
        }
        // while requests are served: little is left to flush when they wait
        checkFlushed(attachment.flushDisk());
        // the identity is not known before the image is open
        try (PreparedRecord changed = record.prepare(after, attachment.known().ofAnyIdentity(), rebase)) {
            return run(after, to.withoutFilter(), rebase, undo, changed);
        }
    }

    /** @param changed what is put in force before the rebase, or else before requests are let through */
    private Duration run(AttachRequest after, String leaving, Rebase rebase, Rebase undo, PreparedRecord changed)
            throws DiskException {
        AtomicBoolean rebased = new AtomicBoolean();
        long start = System.nanoTime();
        quiesce(leaving);
        exchange(
                after,
                leaving,
                environment -> {
                    if (rebase != null) {
                        changed.commit();
                        rebase.run(environment);
                        rebased.set(true);
                    }
                },
                () -> {
                    if (rebase == null) {
                        changed.commit();
                    }
                },
                () -> rebased.get() ? undo : null);
        attachment.request(after);
        attachment.known(DiskShape.of(disk.info()));
        attachment.letThrough();
        Duration pause = Duration.ofNanos(System.nanoTime() - start);
        recordAsItIs();
        return pause;
    }

    /**
     * Makes requests wait, with all that was written on disk; if it fails, they do not wait.
     *
     * @param leaving the filter that will be taken out; null for none
     */
    private void quiesce(String leaving) throws DiskException {
        attachment.quiesce(
                new StateReason(Kind.IMAGE_CHANGE, "its image is being changed"),
                services.limits().drain());
        try {
            if (leaving != null) {
                disk.filters().beforeSwitch(leaving, attachment.id());
            }
            checkFlushed(attachment.flushDisk());
        } catch (DiskException | RuntimeException e) {
            attachment.letThrough();
            throw e;
        }
    }

    private static void checkFlushed(DiskException unflushed) throws DiskException {
        if (unflushed != null) {
            throw unflushed;
        }
    }

    /** Makes an image of the chain larger while the disk is closed. Returns how long requests waited. */
    Duration growBacking(TapSpec image, Map<String, String> options, long sizeBytes) throws DiskException {
        return commands.forResult(
                operations.submit("its backing image is being made larger", () -> runGrow(image, options, sizeBytes)));
    }

    private Duration runGrow(TapSpec image, Map<String, String> options, long sizeBytes) throws DiskException {
        attachment.checkRunning();
        disk.image().depth(image);
        DiskDriver driver =
                OpenContext.driver(services.installed().drivers(), image.type()).service();
        // while requests are served: little is left to flush when they wait
        checkFlushed(attachment.flushDisk());
        long start = System.nanoTime();
        quiesce(null);
        exchange(
                attachment.request(),
                null,
                environment -> {
                    // not among the drivers of the disk, which is opened afterwards
                    try (OpenContext context =
                            new OpenContext(environment.using(new HashSet<>()), false, OpenImage.options(options))) {
                        driver.resize(image.path(), sizeBytes, context);
                    }
                },
                () -> {},
                () -> null);
        attachment.letThrough();
        return Duration.ofNanos(System.nanoTime() - start);
    }

    /**
     * Has what is asked for open in place of what is open, or, if that fails, the same as before.
     *
     * @param undo what has the overlay named before; null if no overlay was changed
     */
    private void exchange(
            AttachRequest after,
            String leaving,
            AttachmentDisk.Between between,
            LoopCalls.Action last,
            Supplier<Rebase> undo)
            throws DiskException {
        AttachRequest before = attachment.request();
        try {
            disk.exchange(
                    after, leaving, between, found -> attachment.known().checkSame(after.spec(), found, false), last);
        } catch (DiskException | RuntimeException | Error e) {
            goBack(before, undo.get(), e);
            throw e;
        }
    }

    private AttachRequest changed(AttachRequest before, ImageSwitch to) throws DiskException {
        if (to.image().type().equals(EmptyDrive.TYPE) || before.spec().type().equals(EmptyDrive.TYPE)) {
            throw new DiskException(
                    Reason.BAD_OPTION, "attachment '" + attachment.id() + "': an empty drive has no image to change");
        }
        List<FilterSpec> filters = new ArrayList<>(FilterStack.parse(before.filters()));
        if (to.withoutFilter() != null) {
            filters.remove(FilterStack.place(filters, to.withoutFilter(), attachment.id()));
        }
        return new AttachRequest(
                to.image(),
                before.id(),
                before.nodes(),
                before.readOnly(),
                to.options(),
                filters.stream().map(FilterSpec::text).toList());
    }

    /** Records the identity of the image that is open, and that nothing is to be rebased after a kill. */
    private void recordAsItIs() {
        record.rebasing(null);
        try {
            record.write(attachment.request(), attachment.known());
        } catch (DiskException e) {
            LOG.log(
                    Level.WARNING,
                    attachment.id() + ": its record is that of the change, which a restart does once more: "
                            + e.getMessage());
        }
    }

    /**
     * Opens the image that was there before.
     *
     * @param undo what has the overlay named before; null if no overlay was changed
     */
    private void goBack(AttachRequest before, Rebase undo, Throwable why) throws DiskException {
        LOG.log(
                Level.ERROR,
                attachment.id() + ": its image could not be changed, and it returns to " + before.spec(),
                why);
        try {
            disk.close();
        } finally {
            attachment.to(new Life.Parked(
                    new StateReason(Kind.OPEN_FAILED, "its image could not be changed: " + why.getMessage())));
        }
        record.rebasing(undo);
        try {
            record.write(before, attachment.known());
        } catch (DiskException e) {
            LOG.log(Level.ERROR, attachment.id() + ": its record may be that of the change: " + e.getMessage());
        }
        if (operations.closed()) {
            throw new DiskException(
                    Reason.NOT_FOUND, "attachment '" + attachment.id() + "' was detached while its image was changed");
        }
        try {
            attachment.opening().open();
        } catch (DiskException e) {
            throw new DiskException(
                    e.reason(),
                    "attachment '" + attachment.id() + "' is parked: " + why.getMessage() + "; and then "
                            + e.getMessage(),
                    e);
        }
    }
}
