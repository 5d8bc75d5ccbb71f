package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.Attachments.Overlay;
import org.blktap.api.control.StateReason;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.linux.FileStatus;

/**
 * The part of one attachment in a snapshot: its steps, in order, and what undoes them. On the thread of its operation.
 */
final class OverlayChange {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final Attachment attachment;
    private final Records.Entry record;
    private final Services services;
    private final AttachmentDisk disk;
    private final Operations operations;
    private final Overlay overlay;
    private final String mark;

    private Progress progress = Progress.NOTHING;
    private AttachRequest before;
    private AttachRequest after;
    private String backingTypes;
    private FileStatus oldFile;
    private DiskShape shape;
    private NewOverlay file;
    /** Whether the file's contents are made once more while requests wait. */
    private boolean again;

    private long start;
    private Duration pause = Duration.ZERO;

    /** How far it is. */
    private enum Progress {
        NOTHING,
        CLOSED_GATE,
        EXCHANGING,
        DONE
    }

    OverlayChange(Attachment attachment, AttachmentParts parts, Overlay overlay, String mark) {
        this.attachment = attachment;
        record = parts.record();
        services = parts.services();
        disk = parts.disk();
        operations = parts.operations();
        this.overlay = overlay;
        this.mark = mark;
    }

    /**
     * Checks all that can be checked, and makes the file. If it records what writes still change, its contents are made
     * once more while requests wait.
     */
    void prepare() throws DiskException {
        attachment.checkRunning();
        before = attachment.request();
        if (before.readOnly() || disk.savesAtDetach() || before.spec().type().equals(EmptyDrive.TYPE)) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    named()
                            + (before.readOnly()
                                    ? " is read-only: nothing would be written to an overlay"
                                    : " saves its contents at the detach: it has no image that could be a backing image"));
        }
        // what a job copies must not change under it
        disk.filters().checkDetach();
        DiskDriver driver = OpenContext.driver(
                        services.installed().drivers(), overlay.image().type())
                .service();
        backingTypes = types();
        after = new AttachRequest(
                overlay.image(), before.id(), before.nodes(), false, options(driver), before.filters());
        disk.checkOpens(after);
        oldFile = disk.image().context().file();
        file = new NewOverlay(overlay.image(), driver, overlay.options(), mark);
        if (Files.exists(file.path(), LinkOption.NOFOLLOW_LINKS)) {
            throw new DiskException(Reason.EXISTS, overlay.image().path() + ": exists already; choose another name");
        }
        again = driver.recordsBackingState();
        file.make(
                before.spec(),
                backingTypes,
                disk.image().context(),
                disk.image().disk().info(),
                disk.filters().means().environment());
    }

    /** The types of the new chain, from the old image down. */
    private String types() {
        String old = before.options().getOrDefault(OpenContext.BACKING_TYPE, "");
        return before.spec().type() + (old.isEmpty() ? "" : ":" + old);
    }

    /** Options of the attachment from now on: those of the old image as far as they are not its own. */
    private Map<String, String> options(DiskDriver driver) {
        Map<String, String> options = new LinkedHashMap<>(before.options());
        options.remove(LockWait.OPTION);
        options.remove("parent");
        if (!before.spec().type().equals(overlay.image().type())) {
            options.keySet()
                    .retainAll(
                            Set.of("engine", OpenContext.BACKING_TYPE, AttachRequest.ON_ENOSPC, AttachRequest.ON_EIO));
        }
        if (options.containsKey(OpenContext.BACKING_TYPE)
                || !driver.recordsBackingType(before.spec().type())) {
            options.put(OpenContext.BACKING_TYPE, backingTypes);
        }
        return options;
    }

    /** Gives the file its name. */
    void name() throws DiskException {
        file.name();
    }

    /** Flushes while requests are served, so that little is left to flush while they wait. */
    void flush() throws DiskException {
        DiskException unflushed = attachment.flushDisk();
        if (unflushed != null) {
            throw unflushed;
        }
    }

    /** Makes requests wait, and flushes. */
    void quiesce() throws DiskException {
        start = System.nanoTime();
        attachment.quiesce(
                new StateReason(Kind.IMAGE_CHANGE, "a snapshot is being taken"),
                services.limits().drain());
        progress = Progress.CLOSED_GATE;
        flush();
    }

    /** Closes the image and opens the overlay on it: the last step that may fail. */
    void exchange() throws DiskException {
        progress = Progress.EXCHANGING;
        disk.exchange(
                after,
                null,
                environment -> {
                    if (again) {
                        file.makeAgain(before.spec(), backingTypes, environment);
                    }
                },
                found -> attachment.known().checkSame(after.spec(), found, false),
                () -> {
                    // the journal stands in for the records
                });
        OpenContext below = disk.image().context().below();
        boolean same = below != null
                && (before.spec().isRemote() ? below.is(before.spec()) : oldFile != null && below.has(oldFile));
        if (!same) {
            throw new DiskException(
                    Reason.WRONG_TYPE,
                    overlay.image() + ": is not an overlay of the image that was open, " + before.spec()
                            + ": it was moved or replaced");
        }
        if (record.isRemoved()) {
            throw new DiskException(Reason.NOT_FOUND, named() + " is being detached");
        }
        shape = DiskShape.of(disk.info());
    }

    /** What a restart must know once all are ready. It takes the overlay's identity as it finds it. */
    SnapshotJournal.Change change() {
        return new SnapshotJournal.Change(
                before.spec(), after, attachment.known().ofAnyIdentity());
    }

    /** Lets requests through, to the overlay. */
    void resume() throws DiskException {
        progress = Progress.DONE;
        attachment.request(after);
        attachment.known(shape);
        attachment.letThrough();
        pause = Duration.ofNanos(System.nanoTime() - start);
    }

    /** Writes the record, which the journal stands in for until then. */
    void record() throws DiskException {
        record.write(after, shape);
    }

    /** Removes the file, and continues with the old image. */
    void undo() throws DiskException {
        Progress reached = progress;
        progress = Progress.NOTHING;
        StateReason why = new StateReason(Kind.OPEN_FAILED, "a snapshot has failed");
        try {
            if (reached == Progress.EXCHANGING) {
                disk.close();
            }
        } finally {
            removeFile();
            if (reached == Progress.EXCHANGING) {
                attachment.to(new Life.Parked(why));
            }
        }
        if (reached == Progress.CLOSED_GATE) {
            attachment.letThrough();
        } else if (reached == Progress.EXCHANGING && !operations.closed()) {
            try {
                attachment.opening().open();
                LOG.log(Level.WARNING, attachment.id() + ": continues with " + before.spec());
            } catch (DiskException e) {
                // an operator sees the reason, and resumes it
                LOG.log(Level.ERROR, attachment.id() + ": is parked after a snapshot that failed: " + e.getMessage());
            }
        }
    }

    /** Removes the file; all that is left to do for an attachment that is being detached. */
    void removeFile() throws DiskException {
        if (file != null) {
            file.remove();
        }
    }

    NewOverlay file() {
        return file;
    }

    Duration pause() {
        return pause;
    }

    private String named() {
        return "attachment '" + attachment.id() + "'";
    }
}
