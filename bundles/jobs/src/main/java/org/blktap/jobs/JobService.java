package org.blktap.jobs;

import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.JobRequest;
import org.blktap.api.control.JobState;
import org.blktap.api.control.JobStatus;
import org.blktap.api.control.Jobs;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** The operations on jobs, for verbs and for the service {@link Jobs}. Thread-safe. */
@Component(service = {Jobs.class, JobService.class})
public final class JobService implements Jobs {
    /** Time allowed for the beginning of a job, which opens images. */
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);

    private static final long POLL_MILLIS = 20;

    private final JobTable table;
    private final JobRunner runner;
    private final Attachments attachments;

    @Activate
    public JobService(@Reference JobTable table, @Reference JobRunner runner, @Reference Attachments attachments) {
        this.table = table;
        this.runner = runner;
        this.attachments = attachments;
    }

    /** Starts a job as {@link #start} does. */
    public Job begin(JobRequest request) throws DiskException, InterruptedException {
        // unknown ids are refused before there is a job
        attachments.status(request.attachment());
        JobKind work = runner.kind(request.kind());
        Job job = runner.start(request.kind(), request.attachment(), request.settings(), work.values(request));
        long begin = System.nanoTime();
        while (!job.state().ended() && !work.begun(job) && System.nanoTime() - begin < PATIENCE_NANOS) {
            job.await(POLL_MILLIS);
        }
        if (job.state() == JobState.FAILED) {
            throw new DiskException(Reason.IO, job.message());
        }
        return job;
    }

    @Override
    public List<JobStatus> list() {
        return table.all().stream().map(Job::status).toList();
    }

    @Override
    public JobStatus job(String id) throws DiskException {
        return table.named(id).status();
    }

    @Override
    public JobStatus start(JobRequest request) throws DiskException, InterruptedException {
        return begin(request).status();
    }

    @Override
    public JobStatus pause(String id) throws DiskException {
        Job job = table.named(id);
        job.pauseByOperator();
        return job.status();
    }

    @Override
    public JobStatus resume(String id) throws DiskException {
        Job job = table.named(id);
        job.resume();
        return job.status();
    }

    @Override
    public JobStatus cancel(String id) throws DiskException {
        Job job = table.named(id);
        job.cancel();
        return job.status();
    }

    @Override
    public JobStatus complete(String id) throws DiskException {
        Job job = table.named(id);
        job.completeByOperator();
        return job.status();
    }

    @Override
    public JobStatus set(String id, Map<String, String> settings) throws DiskException {
        Job job = table.named(id);
        job.set(settings);
        return job.status();
    }
}
