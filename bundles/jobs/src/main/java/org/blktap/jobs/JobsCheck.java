package org.blktap.jobs;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.felix.hc.api.HealthCheck;
import org.apache.felix.hc.api.Result;
import org.apache.felix.hc.api.ResultLog;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.JobState;
import org.blktap.api.control.JobStatus;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/**
 * Checks whether the last job of an attachment has failed, or a job is paused by an error. A failure is forgotten when
 * the next job of the attachment succeeds, when the attachment is detached, and after a day.
 */
@Component(property = {HealthCheck.NAME + "=jobs", HealthCheck.TAGS + "=blktap"})
public final class JobsCheck implements HealthCheck {
    private static final int MOST = 20;

    private final JobTable table;
    private final Attachments attachments;

    @Activate
    public JobsCheck(@Reference JobTable table, @Reference Attachments attachments) {
        this.table = table;
        this.attachments = attachments;
    }

    @Override
    public Result execute() {
        Set<String> present =
                attachments.list().stream().map(AttachmentStatus::id).collect(Collectors.toSet());
        List<Job> all = table.all();
        Map<String, Job> last = new HashMap<>();
        all.forEach(each -> last.put(each.attachment(), each));
        List<JobStatus> bad = last.values().stream()
                .filter(each -> present.contains(each.attachment()) && bad(each))
                .map(Job::status)
                .sorted(Comparator.comparing(JobStatus::attachment))
                .toList();
        ResultLog log = new ResultLog();
        bad.stream().limit(MOST).forEach(each -> log.add(new ResultLog.Entry(Result.Status.WARN, line(each))));
        if (bad.size() > MOST) {
            log.add(new ResultLog.Entry(Result.Status.WARN, "and " + (bad.size() - MOST) + " more"));
        }
        if (bad.isEmpty()) {
            long working = all.stream().filter(each -> !each.state().ended()).count();
            log.add(new ResultLog.Entry(Result.Status.OK, working + (working == 1 ? " job works" : " jobs work")));
        }
        return new Result(log);
    }

    /** Whether a job has failed, or is paused although no operator has paused it. */
    private static boolean bad(Job job) {
        return switch (job.state()) {
            case FAILED -> !job.cancelled();
            case PAUSED -> !job.message().isEmpty() && !job.message().equals(Job.PAUSED_BY_OPERATOR);
            default -> false;
        };
    }

    private static String line(JobStatus job) {
        return "job " + job.id() + " (" + job.kind() + " of " + job.attachment() + ") "
                + (job.state() == JobState.FAILED ? "has failed: " : "is paused: ") + job.message()
                + (job.state() == JobState.FAILED ? "" : "; blktap job resume " + job.id());
    }
}
