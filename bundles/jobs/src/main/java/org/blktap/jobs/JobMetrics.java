package org.blktap.jobs;

import java.util.Map;
import java.util.TreeMap;
import org.blktap.api.control.JobState;
import org.blktap.api.control.JobStatus;
import org.blktap.api.metrics.MetricSink;
import org.blktap.api.metrics.MetricSource;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * Reports how many jobs are in each state, and the progress of jobs that have not ended. An attachment has at most one
 * such job, so that the attachment's id names it.
 */
@Component
public final class JobMetrics implements MetricSource {
    private final JobTable table;

    @Activate
    public JobMetrics(@Reference JobTable table) {
        this.table = table;
    }

    @Override
    public void collect(MetricSink sink) {
        Map<String, Map<JobState, Integer>> counts = new TreeMap<>();
        for (Job each : table.all()) {
            JobStatus job = each.status();
            counts.computeIfAbsent(job.kind(), any -> new TreeMap<>()).merge(job.state(), 1, Integer::sum);
            if (!job.state().ended()) {
                progress(sink, job);
            }
        }
        counts.forEach((kind, states) -> {
            for (JobState state : JobState.values()) {
                sink.gauge(
                        "blktap_jobs",
                        "Jobs in a state; those that have ended are counted for a day.",
                        states.getOrDefault(state, 0),
                        "kind",
                        kind,
                        "state",
                        state.toString());
            }
        });
    }

    private static void progress(MetricSink sink, JobStatus job) {
        String[] labels = {"id", job.attachment(), "kind", job.kind()};
        for (JobState state : JobState.values()) {
            if (!state.ended()) {
                sink.gauge(
                        "blktap_job_state",
                        "1 for the state of the job that works on an attachment, 0 for others.",
                        state == job.state() ? 1 : 0,
                        "id",
                        job.attachment(),
                        "kind",
                        job.kind(),
                        "state",
                        state.toString());
            }
        }
        sink.gauge("blktap_job_done_bytes", "What the job of an attachment has copied.", job.doneBytes(), labels);
        sink.gauge(
                "blktap_job_size_bytes",
                "What the job of an attachment must copy, as far as is known.",
                job.totalBytes(),
                labels);
    }
}
