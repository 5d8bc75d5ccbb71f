package org.blktap.jobs;

import java.util.List;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.JobState;
import org.blktap.api.control.JobStatus;
import org.blktap.api.disk.Options;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The verb {@code jobs}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "jobs",
        summary = "Lists the jobs that work on attachments, and those that have ended in the last day.")
@Command(footer = {"", "Examples:", "  jobs", "  jobs --json"})
public final class JobsVerb implements Verb {
    @Reference
    JobTable table;

    @Option(names = "--json", description = "For scripts: an array of objects.")
    boolean json;

    @Override
    public int run(Call call) {
        List<JobStatus> all = table.all().stream().map(Job::status).toList();
        if (json) {
            call.json(all);
            return 0;
        }
        call.table(
                List.of("JOB", "KIND", "ATTACHMENT", "STATE", "DONE", "SPEED LIMIT", "MESSAGE"),
                all.stream().map(JobsVerb::row).toList());
        return 0;
    }

    private static List<Object> row(JobStatus job) {
        return List.of(
                job.id(),
                job.kind(),
                job.attachment(),
                job.state(),
                percent(job),
                job.speed() == 0 ? "-" : Options.sizeText(job.speed()) + "/s",
                job.message().isEmpty() ? "-" : job.message());
    }

    private static String percent(JobStatus job) {
        if (job.state() == JobState.DONE) {
            return "100%";
        }
        return job.totalBytes() == 0 ? "-" : (int) (job.doneBytes() * 100.0 / job.totalBytes()) + "%";
    }
}
