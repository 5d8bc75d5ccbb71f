package org.blktap.jobs.mirror;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobRunner;
import org.blktap.jobs.JobState;
import org.blktap.jobs.JobWait;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Base class of the verbs that copy a live disk. */
abstract class MirrorVerb implements Verb {
    private static final long POLL_MILLIS = 20;

    @Parameters(index = "0", description = "An attachment.")
    String id;

    @Option(names = "--speed", paramLabel = "BYTES", description = "The most that is copied a second, such as 50M.")
    String speed;

    @Option(names = "--wait", description = "Waits until the job has ended.")
    boolean wait;

    @Option(names = "--json", description = "For scripts: the job as jobs lists it.")
    boolean json;

    abstract String kind();

    /** The service, which each verb refers to: references are not inherited. */
    abstract JobRunner runner();

    /** What the job keeps of the operands and options. */
    abstract Map<String, String> values(Call call) throws DiskException;

    @Override
    public final int run(Call call) throws Exception {
        Map<String, String> settings = new LinkedHashMap<>();
        if (speed != null) {
            settings.put("speed", speed);
        }
        // unknown ids are refused before there is a job
        call.attachments().status(id);
        Job job = runner().start(kind(), id, settings, values(call));
        while (!job.state().ended() && job.value(MirrorFilter.PHASE) == null) {
            job.await(POLL_MILLIS);
        }
        if (job.state() == JobState.FAILED) {
            throw new DiskException(Reason.IO, job.message());
        }
        JobWait.report(job, wait, json, call);
        return 0;
    }
}
