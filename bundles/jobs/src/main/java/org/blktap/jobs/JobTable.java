package org.blktap.jobs;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.JobState;
import org.blktap.api.control.JobStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.blktap.api.settings.Directories;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/** All jobs: those that have not ended, and for a while those that have. Thread-safe. */
@Component(service = JobTable.class)
public final class JobTable {
    private static final long KEPT_MILLIS = TimeUnit.HOURS.toMillis(24);
    private static final int MOST_KEPT = 100;

    /** Receives the states of jobs; null while there is no service for events. */
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile Events events;

    private final JobFiles files;
    private final Path directory;
    private final Map<Long, Job> jobs = new TreeMap<>();
    private long last;

    @Activate
    public JobTable(@Reference Directories directories) {
        this(new JobFiles(directories.data().resolve("jobs")));
    }

    /**
     * Makes a table whose records are in a directory. This is no constructor, since DS would try to use that, and
     * complain.
     */
    public static JobTable at(Path directory) {
        return new JobTable(new JobFiles(directory));
    }

    JobTable(JobFiles files) {
        this.files = files;
        directory = files.directory();
        for (Job each : files.readAll()) {
            if (each.id().matches("[0-9]{1,18}")) {
                each.onState(this::publish);
                jobs.put(Long.parseLong(each.id()), each);
                last = Math.max(last, Long.parseLong(each.id()));
            }
        }
    }

    /** The directory of the records, in which the work of a job may keep files of its own. */
    public Path directory() {
        return directory;
    }

    /**
     * Makes a job, and records it; {@link JobRunner} starts it.
     *
     * @param settings {@code speed} and {@code share}
     * @param values the values of its kind
     * @throws DiskException BUSY if the attachment has a job, which the message names
     */
    public synchronized Job add(
            String kind, String attachment, Map<String, String> settings, Map<String, String> values)
            throws DiskException {
        Job other = of(attachment);
        if (other != null) {
            throw new DiskException(
                    Reason.BUSY,
                    "attachment '" + attachment + "' has job " + other.id() + " (" + other.kind() + ", " + other.state()
                            + "); wait for it, or: blktap job cancel " + other.id());
        }
        forget();
        Job job = new Job(files, Long.toString(++last), kind, attachment, values);
        job.onState(this::publish);
        job.set(settings);
        jobs.put(last, job);
        return job;
    }

    private void publish(JobStatus job) {
        Events to = events;
        if (to != null) {
            to.publish(
                    Event.JOB,
                    job.attachment(),
                    "job " + job.id() + " (" + job.kind() + ") is " + job.state()
                            + (job.message().isEmpty() ? "" : ": " + job.message()),
                    Map.of(
                            "job", job.id(),
                            "job.kind", job.kind(),
                            "state", job.state().toString()));
        }
    }

    /** The job that works on an attachment, or null. */
    public synchronized Job of(String attachment) {
        return jobs.values().stream()
                .filter(each ->
                        each.attachment().equals(attachment) && !each.state().ended())
                .findFirst()
                .orElse(null);
    }

    /** Whether the last job of an attachment has failed. */
    public synchronized boolean lastFailed(String attachment) {
        return jobs.values().stream()
                        .filter(each -> each.attachment().equals(attachment))
                        .reduce((first, second) -> second)
                        .map(Job::state)
                        .orElse(JobState.DONE)
                == JobState.FAILED;
    }

    /** The job of an id, or null. */
    public synchronized Job find(String id) {
        return id.matches("[0-9]{1,18}") ? jobs.get(Long.parseLong(id)) : null;
    }

    /** @throws DiskException NOT_FOUND */
    Job named(String id) throws DiskException {
        Job job = find(id);
        if (job == null) {
            throw new DiskException(Reason.NOT_FOUND, "no job '" + id + "'; blktap jobs lists them");
        }
        return job;
    }

    /** All jobs, the oldest first. */
    public synchronized List<Job> all() {
        forget();
        return List.copyOf(jobs.values());
    }

    /** Forgets jobs that ended long ago, and the oldest ended ones if there are many. */
    private void forget() {
        List<Job> ended = new ArrayList<>(
                jobs.values().stream().filter(each -> each.state().ended()).toList());
        ended.sort(Comparator.comparingLong(each -> each.status().endedMillis()));
        long now = System.currentTimeMillis();
        for (int i = 0; i < ended.size(); i++) {
            Job each = ended.get(i);
            if (ended.size() - i > MOST_KEPT || now - each.status().endedMillis() > KEPT_MILLIS) {
                jobs.remove(Long.parseLong(each.id()));
                files.remove(each.id());
            }
        }
    }
}
