package org.blktap.jobs.fleece;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.control.Images.Conversion;
import org.blktap.api.control.JobRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.blktap.jobs.Arguments;
import org.blktap.jobs.ImageFiles;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobCancelled;
import org.blktap.jobs.JobKind;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * Does backups: begins a point in time, copies it into a new image, and ends it. A backup that the daemon's end
 * interrupts begins anew, with another point in time, since its image has no name yet.
 */
@Component
public final class BackupJob implements JobKind {
    static final String KIND = "backup";
    static final String TARGET = "target";
    static final String ONTO = "onto";
    static final String SINCE = "since";
    /** An argument, which a job records as {@link #SINCE} and {@link #ALL}. */
    static final String CLEAR = "clear";

    static final String BUFFER = "buffer";
    static final String RANGE = "range";
    static final String WAITS = "vm-waits";
    /** Prefix of the keys of the target's options. */
    static final String OPTION = "o.";

    static final String STALE = "stale";
    static final String ALL = "all";
    private static final String BEGUN = "begun";
    /** Whether a file with the target's name belongs to the job. */
    private static final String CREATING = "creating";

    private static final String COPIED = "copied";
    private static final long LOOK_MILLIS = 500;
    /** How long a backup waits for its source, which an operator may park. */
    private static final String PATIENCE_SECONDS = "3600";

    @Reference
    PointsInTime points;

    @Reference
    Attachments attachments;

    @Reference
    Images images;

    @Override
    public Set<String> kinds() {
        return Set.of(KIND);
    }

    @Override
    public Map<String, String> values(JobRequest request) throws DiskException {
        Arguments asked = new Arguments(request);
        if (asked.has(ONTO) && !asked.has(SINCE)) {
            throw new DiskException(Reason.BAD_OPTION, "--onto is for what has changed: give --since as well");
        }
        if (asked.has(CLEAR) && asked.has(SINCE)) {
            throw new DiskException(Reason.BAD_OPTION, "--clear copies everything, --since does not: give one of them");
        }
        Map<String, String> values = asked.image(TARGET, TARGET)
                .text(SINCE, SINCE)
                .text(CLEAR, SINCE)
                .imageIfGiven(ONTO, ONTO)
                .text(BUFFER, BUFFER)
                .text(RANGE, RANGE)
                .flag(STALE, STALE)
                .flag(WAITS, WAITS)
                .options(OPTION, null)
                .values();
        if (asked.has(CLEAR)) {
            values.put(ALL, "yes");
        }
        return values;
    }

    @Override
    public void run(Job job) throws Exception {
        String id = job.attachment();
        TapSpec target = TapSpec.parse(job.value(TARGET));
        if (job.value(BEGUN) != null) {
            awaitRunning(job);
            boolean copied = job.value(COPIED) != null;
            points.end(id, copied);
            if (copied) {
                return;
            }
            if (job.value(CREATING) != null
                    && ImageFiles.madeSince(target, job.status().createdMillis())) {
                // complete, but of a point in time that has ended
                ImageFiles.remove(target);
            }
        } else if (!ImageFiles.exists(target) && !ImageFiles.isFile(target)) {
            job.keep(CREATING, "yes");
        }
        job.keep(BEGUN, "yes");
        while (attachments.status(id).state() == State.OPENING) {
            // the daemon was killed before the job had begun, and is starting
            job.checkCancelled();
            job.await(LOOK_MILLIS);
        }
        String name = KIND + "-" + job.id();
        points.begin(
                id,
                new PointsInTime.Wish(
                        name,
                        job.value(SINCE),
                        job.value(BUFFER),
                        job.value(RANGE),
                        job.value(WAITS) != null,
                        true,
                        job.value(STALE) != null || job.value(ALL) != null));
        boolean goesOn = false;
        boolean copied = false;
        try {
            copy(job, name);
            copied = true;
            job.keep(COPIED, "yes");
        } catch (DiskException e) {
            if (Thread.interrupted()) {
                goesOn = true;
                throw new InterruptedException();
            }
            job.checkCancelled();
            String lost = points.lostReason(id);
            throw lost.isEmpty()
                    ? e
                    : new DiskException(Reason.IO, "the point in time was lost, and the VM goes on: " + lost, e);
        } finally {
            if (!goesOn) {
                points.end(id, copied);
            }
        }
    }

    private void copy(Job job, String name) throws DiskException {
        Point point = points.point(job.attachment());
        Runnable pace = () -> point.pace(job.speed(), job.paused());
        job.onChange(pace);
        pace.run();
        Map<String, String> options = new LinkedHashMap<>(Map.of("paced", "yes", "patience", PATIENCE_SECONDS));
        if (job.value(SINCE) != null && job.value(ALL) == null) {
            options.put("changes", "yes");
        }
        Map<String, String> targets = new LinkedHashMap<>();
        job.status().values().forEach((key, value) -> {
            if (key.startsWith(OPTION)) {
                targets.put(key.substring(OPTION.length()), value);
            }
        });
        String onto = job.value(ONTO);
        images.convert(
                new Conversion(
                        new TapSpec(FleeceDriver.TYPE, job.attachment() + "/" + name),
                        options,
                        TapSpec.parse(job.value(TARGET)),
                        targets,
                        false,
                        onto == null ? null : TapSpec.parse(onto)),
                (bytes, of) -> {
                    job.progress(bytes, of);
                    return !job.cancelled();
                });
    }

    /** Waits for the disk, which may open later than the job starts after a restart. */
    private void awaitRunning(Job job) throws DiskException, InterruptedException, JobCancelled {
        while (attachments.status(job.attachment()).state() != State.RUNNING) {
            job.checkCancelled();
            job.await(LOOK_MILLIS);
        }
    }
}
