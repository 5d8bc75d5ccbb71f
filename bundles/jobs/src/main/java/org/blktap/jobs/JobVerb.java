package org.blktap.jobs;

import java.util.ArrayList;
import java.util.List;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The verb {@code job}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "job",
        summary = "Pauses, resumes, cancels, completes or sets a job, or waits for its end.",
        operands = {"ACTION=TEXT", "JOB=TEXT", "[SETTING=TEXT...]"})
@Command(
        description = {
            "A job that is cancelled leaves the disk as it was.",
            "complete makes the last step of a mirror that is ready: the disk continues with the target."
        },
        footer = {
            "",
            "Examples:",
            "  job set 7 speed=50M",
            "  job set 7 speed=0 share=4    (no limit; four pieces at once while the VM has requests in flight)",
            "  job complete 7 --wait",
            "  job wait 7"
        })
public final class JobVerb implements Verb {
    /** The actions; their names are the words of the command line. */
    enum Action {
        pause,
        resume,
        cancel,
        complete,
        set,
        wait
    }

    @Reference
    JobTable table;

    @Reference
    JobService jobs;

    @Parameters(index = "0", description = "pause, resume, cancel, complete, set or wait")
    Action action;

    @Parameters(index = "1", description = "Its number, as jobs lists it.")
    String id;

    @Parameters(index = "2..*", description = "To set: speed=BYTES a second, share=PIECES or auto.")
    List<String> settings = new ArrayList<>();

    @Option(names = "--wait", description = "Waits until the job has ended.")
    boolean wait;

    @Override
    public int run(Call call) throws Exception {
        if ((action == Action.set) == settings.isEmpty()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    action == Action.set
                            ? "SETTING is missing: give speed=50M"
                            : settings + ": only set takes settings");
        }
        Job job = table.named(id);
        switch (action) {
            case pause -> jobs.pause(id);
            case resume -> jobs.resume(id);
            case cancel -> jobs.cancel(id);
            case complete -> jobs.complete(id);
            case set -> jobs.set(id, Options.pairs(settings));
            case wait -> wait = true;
        }
        if (action == Action.cancel) {
            // until the disk is as it was
            while (!job.state().ended() && !call.cancelled()) {
                job.await(JobWait.POLL_MILLIS);
            }
        } else if (wait) {
            JobWait.until(job, call);
        }
        return 0;
    }
}
