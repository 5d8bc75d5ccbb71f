package org.blktap.jobs.mirror;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.control.JobState;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobCancelled;

/**
 * Runs one job that copies a live disk: prepares target and filter, watches the filter copy, switches the attachment to
 * the target, and removes what is not needed any more. Each step is on record before the next, so that the job
 * continues after a restart. Job's thread.
 */
final class MirrorRun {
    private static final Logger LOG = System.getLogger("org.blktap.jobs");
    private static final String STARTED = "started";
    private static final long POLL_MILLIS = 100;
    private static final long RETRY_MILLIS = 1000;
    /** Attempts of the last step, which requests that do not end can prevent. */
    private static final int MOST_SWITCHES = 10;
    /** Lookups of an attachment before it counts as detached: while the core is replaced, there is none for a while. */
    private static final int MOST_MISSING = 30;

    private final Job job;
    private final Attachments attachments;
    private final MirrorFilter filter;
    private final Path bits;
    private final MirrorPlan plan;
    private int switches;
    private int missing;
    private long attempts = 1;
    /** The error that has paused the job; null if none has. */
    private MirrorFailure paused;

    MirrorRun(Job job, Attachments attachments, Images images, MirrorFilter filter, Path bits) {
        this.job = job;
        this.attachments = attachments;
        this.filter = filter;
        this.bits = bits;
        plan = new MirrorPlan(job, images);
    }

    void run() throws Exception {
        boolean switched = MirrorFilter.SWITCHED.equals(job.value(MirrorFilter.PHASE));
        try {
            if (job.value(MirrorFilter.PHASE) == null) {
                if (job.value(STARTED) != null) {
                    throw new DiskException(
                            Reason.IO, "the daemon ended while the job was being prepared; start it again");
                }
                job.keep(STARTED, MirrorFilter.YES);
                prepare();
                job.keep(MirrorFilter.PHASE, MirrorFilter.COPYING);
            }
            if (!switched && !copy()) {
                return;
            }
            switched = true;
            afterSwitch();
        } catch (DiskException | RuntimeException e) {
            if (Thread.interrupted()) {
                // the bundle stops: nothing is undone
                throw (InterruptedException) new InterruptedException().initCause(e);
            }
            if (switched || !undo()) {
                // the VM may use the target already: it stays
                throw e;
            }
            LOG.log(Level.INFO, "job " + job.id() + ": the switch was made after all: " + e.getMessage());
            afterSwitch();
        } finally {
            job.onChange(() -> {});
        }
    }

    private void afterSwitch() throws DiskException {
        job.keep(MirrorFilter.PHASE, MirrorFilter.SWITCHED);
        plan.removeOld(attachments.status(job.attachment()));
        removeBits();
        job.say(job.value("switch-image") + " is the image of " + job.attachment() + " now");
    }

    // ---- before

    private void prepare() throws DiskException {
        AttachmentStatus attachment = attachments.status(job.attachment());
        if (attachment.state() != State.RUNNING) {
            throw new DiskException(
                    Reason.BUSY,
                    "attachment '" + job.attachment() + "' is not running: " + attachment.reason()
                            + "; resume it first");
        }
        if (attachment.readOnly()) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    "attachment '" + job.attachment() + "' is read-only: convert its image, and insert the new one");
        }
        attachments.addFilter(job.attachment(), MirrorFilter.TYPE + ",job=" + job.id(), null);
        DiskInfo disk = opened().below().info();
        plan.make(attachment, disk);
        job.checkCancelled();
        if (plan.growsTarget()) {
            growTarget(disk.sizeBytes());
        }
        openTarget();
        if (opened() instanceof UnopenedMirror without) {
            throw without.why() == null
                    ? new DiskException(Reason.IO, job.value(MirrorFilter.TARGET) + ": not opened")
                    : without.why();
        }
    }

    /** Makes the target as large as the disk. */
    private void growTarget(long sizeBytes) throws DiskException {
        TapSpec target = TapSpec.parse(job.value(MirrorFilter.TARGET));
        try {
            attachments.growBacking(job.attachment(), target, job.valuesOf(MirrorFilter.TARGET_OPTION), sizeBytes);
        } catch (DiskException e) {
            throw new DiskException(
                    e.reason(), target + ": is smaller than the disk, and cannot be made larger: " + e.getMessage(), e);
        }
    }

    /** Makes the core open the filter anew, with the target. */
    private void openTarget() throws DiskException {
        attachments.setFilter(job.attachment(), MirrorFilter.TYPE, Map.of("attempt", Long.toString(attempts++)));
    }

    private PassThroughDisk opened() throws DiskException {
        PassThroughDisk open = filter.of(job);
        if (open == null) {
            throw new DiskException(Reason.BUSY, "attachment '" + job.attachment() + "' is not running any more");
        }
        return open;
    }

    // ---- copying

    /** Returns whether the disk continues with the target. */
    private boolean copy() throws DiskException, InterruptedException {
        job.onChange(() -> {
            if (filter.of(job) instanceof MirrorDisk disk) {
                disk.kick();
            }
        });
        while (true) {
            if (hasSwitched(present())) {
                // the daemon was killed between the switch and its record
                return true;
            }
            PassThroughDisk open = filter.of(job);
            if (open instanceof MirrorDisk disk) {
                if (job.cancelled()) {
                    if (cancel(disk)) {
                        return false;
                    }
                    continue;
                }
                if (step(disk)) {
                    return true;
                }
            } else if (open instanceof UnopenedMirror without) {
                job.checkCancelled();
                withoutTarget(without.why());
            } else {
                job.checkCancelled();
            }
            job.await(POLL_MILLIS);
        }
    }

    /** Returns the attachment, which may be absent for a moment while the daemon starts. */
    private AttachmentStatus present() throws DiskException, InterruptedException {
        while (true) {
            try {
                AttachmentStatus attachment = attachments.status(job.attachment());
                missing = 0;
                return attachment;
            } catch (DiskException e) {
                if (e.reason() != Reason.NOT_FOUND || ++missing > MOST_MISSING) {
                    throw new DiskException(e.reason(), "attachment '" + job.attachment() + "' was detached", e);
                }
                job.await(POLL_MILLIS);
            }
        }
    }

    /**
     * Whether the disk continues with the job's result: it has no filter any more, but the new image and chain.
     *
     * @throws DiskException NOT_FOUND if somebody else has removed the filter
     */
    private boolean hasSwitched(AttachmentStatus attachment) throws DiskException {
        if (isFiltered(attachment)) {
            return false;
        }
        if (attachment.spec().equals(job.value("switch-image")) && plan.isRebased(attachment)) {
            return true;
        }
        throw new DiskException(Reason.NOT_FOUND, "its filter was removed from '" + job.attachment() + "'");
    }

    private boolean isFiltered(AttachmentStatus attachment) {
        String filter = MirrorFilter.TYPE + ",job=" + job.id();
        return attachment.filters().stream().anyMatch(each -> each.equals(filter) || each.startsWith(filter + ","));
    }

    /** Looks at the progress, and makes the last step when it is time; returns true if that was made. */
    private boolean step(MirrorDisk disk) throws DiskException, InterruptedException {
        MirrorState state = disk.state();
        disk.kick();
        job.progress(state.copied(), state.copied() + state.remaining());
        if (state.failure() != null) {
            failure(disk, state.failure());
        } else if (job.paused()) {
            job.to(JobState.PAUSED);
        } else if (!state.ready()) {
            // a discarded range is copied: a mirror that was ready is ready again soon
            if (job.state() != JobState.READY) {
                job.to(JobState.RUNNING);
            }
        } else if (job.kind().equals(MirrorJobs.MIRROR) && !job.complete()) {
            job.to(JobState.READY);
        } else {
            job.to(JobState.COMPLETING);
            return switches();
        }
        return false;
    }

    private void failure(MirrorDisk disk, MirrorFailure failure) throws DiskException {
        if (!failure.canBeMended()) {
            throw failure.why();
        }
        if (failure != paused) {
            paused = failure;
            job.pause(failure.why().getMessage() + "; then: blktap job resume " + job.id());
            LOG.log(
                    Level.WARNING,
                    "job " + job.id() + " is paused: " + failure.why().getMessage());
        } else if (!job.paused()) {
            paused = null;
            disk.retry();
        }
    }

    /** Pauses the job because the target cannot be opened, which an operator may mend. */
    private void withoutTarget(DiskException why) throws DiskException {
        if (why == null || why.reason() == Reason.UNSUPPORTED || why.reason() == Reason.BAD_OPTION) {
            throw why == null ? new DiskException(Reason.IO, "the target is not open") : why;
        }
        if (job.state() != JobState.PAUSED) {
            job.pause(why.getMessage() + "; then: blktap job resume " + job.id());
            LOG.log(Level.WARNING, "job " + job.id() + " is paused: " + why.getMessage());
        } else if (!job.paused()) {
            attempts = System.currentTimeMillis();
            openTarget();
            job.to(JobState.RUNNING);
        }
    }

    private boolean switches() throws DiskException, InterruptedException {
        try {
            job.waited(attachments.switchImage(job.attachment(), plan.then()));
            return true;
        } catch (DiskException e) {
            again(e);
            return false;
        }
    }

    /** Lets the last step be tried once more, if it took too long. */
    private void again(DiskException e) throws DiskException, InterruptedException {
        if (e.reason() != Reason.BUSY || ++switches >= MOST_SWITCHES) {
            throw e;
        }
        LOG.log(Level.INFO, "job " + job.id() + " tries the last step again: " + e.getMessage());
        job.await(RETRY_MILLIS);
    }

    // ---- cancel and failure

    /**
     * Ends a cancelled job: a mirror that is ready leaves its target as a copy of this moment, any other job leaves no
     * target. Returns false to try again.
     */
    private boolean cancel(MirrorDisk disk) throws DiskException, InterruptedException {
        if (!job.kind().equals(MirrorJobs.MIRROR) || !disk.state().ready()) {
            throw new JobCancelled();
        }
        disk.equalAtRemoval(true);
        try {
            job.waited(attachments.removeFilter(job.attachment(), MirrorFilter.TYPE));
        } catch (DiskException e) {
            again(e);
            return false;
        } finally {
            disk.equalAtRemoval(false);
        }
        removeBits();
        job.say(job.value(MirrorFilter.TARGET) + " is a copy of " + job.attachment() + ", of the end of the mirror");
        return true;
    }

    /** Restores the disk as it was before; returns true if it was switched meanwhile, and stays so. */
    private boolean undo() throws InterruptedException {
        while (!removedFilter()) {
            job.await(RETRY_MILLIS);
        }
        try {
            AttachmentStatus attachment = attachments.status(job.attachment());
            // before that, the plan is not complete, and its image may be the disk's
            if (job.value(MirrorFilter.PHASE) != null
                    && attachment.spec().equals(job.value("switch-image"))
                    && plan.isRebased(attachment)) {
                return true;
            }
            plan.removeTarget(attachment);
        } catch (DiskException e) {
            // a file too many is better than one too few
            LOG.log(Level.WARNING, "job " + job.id() + ": its target stays: " + e.getMessage());
        }
        removeBits();
        return false;
    }

    /** Removes the filter if there is one; returns false if that must be tried again. */
    private boolean removedFilter() {
        try {
            if (isFiltered(attachments.status(job.attachment()))) {
                attachments.removeFilter(job.attachment(), MirrorFilter.TYPE);
            }
            return true;
        } catch (DiskException e) {
            if (e.reason() == Reason.NOT_FOUND) {
                return true;
            }
            LOG.log(Level.INFO, "job " + job.id() + ": cannot remove its filter yet: " + e.getMessage());
            return false;
        }
    }

    private void removeBits() {
        try {
            Files.deleteIfExists(bits);
        } catch (IOException e) {
            LOG.log(Level.WARNING, "job " + job.id() + ": cannot remove " + bits + ": " + e);
        }
    }
}
