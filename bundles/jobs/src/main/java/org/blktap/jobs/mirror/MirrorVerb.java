package org.blktap.jobs.mirror;

import java.util.Map;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.control.JobRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobService;
import org.blktap.jobs.JobWait;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Base class of the verbs that copy a live disk. */
abstract class MirrorVerb implements Verb {
    /** The argument that names the target. */
    static final String TARGET = "target";

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
    abstract JobService service();

    /** Returns the operands and options by name. */
    abstract Map<String, String> arguments(Call call) throws DiskException;

    /** Options with which the target is created. */
    Map<String, String> creation() {
        return Map.of();
    }

    /** Options with which the target is opened. */
    Map<String, String> opening() {
        return Map.of();
    }

    @Override
    public final int run(Call call) throws Exception {
        Map<String, String> settings = speed == null ? Map.of() : Map.of("speed", speed);
        Job job = service().begin(new JobRequest(kind(), id, settings, arguments(call), creation(), opening()));
        JobWait.report(job, wait, json, call);
        return 0;
    }
}
