package org.blktap.jobs.fleece;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.JobRequest;
import org.blktap.jobs.Job;
import org.blktap.jobs.JobService;
import org.blktap.jobs.JobWait;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The verb {@code backup}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "backup",
        summary = "Copies what a disk has now into a new image, while its VM writes.",
        operands = {"ID", "TARGET=NEW"},
        values = {"--onto=SPEC", "--buffer=SIZE", "--range=SIZE", "--speed=SIZE"})
@Command(
        description = {
            "The copy is of the moment of the call. What the VM changes before it is copied is kept in a buffer.",
            "The new image gets its name when it is complete and on disk."
        },
        footer = {
            "",
            "Examples:",
            "  backup root tap:qcow2:/backup/root-full.qcow2 --clear daily --wait",
            "  backup root tap:qcow2:/backup/root-mon.qcow2 --since daily --onto tap:qcow2:/backup/root-full.qcow2 --wait",
            "  backup root tap:aio:/backup/root.img --speed 50M --buffer 20G"
        })
public final class BackupVerb implements Verb {
    @Reference
    JobService jobs;

    @Parameters(index = "0", description = "An attachment.")
    String id;

    @Parameters(index = "1", description = "tap:<type>:<path>, a new image, or a block device")
    String target;

    @Option(
            names = "--since",
            paramLabel = "BITMAP",
            description = "Copies only what has changed since the bitmap was cleared, and clears it.")
    String since;

    @Option(
            names = "--clear",
            paramLabel = "BITMAP",
            description = "Copies everything, and clears the bitmap: the first backup of a series.")
    String clear;

    @Option(
            names = "--onto",
            paramLabel = "SPEC",
            description = "With --since: the backup before, which becomes the new image's backing.")
    String onto;

    @Option(
            names = "--stale",
            description =
                    "With --since: a bitmap that may miss changes after a power loss is used; all is copied then.")
    boolean stale;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the target's format.")
    Map<String, String> options = new LinkedHashMap<>();

    @Option(
            names = "--buffer",
            paramLabel = "SIZE",
            description = "How much old data is kept, in the data directory; 4G if left out.")
    String buffer;

    @Option(
            names = "--vm-waits",
            description =
                    "When the buffer is full, the VM's writes wait. Otherwise the backup fails and the VM goes on.")
    boolean waits;

    @Option(names = "--range", paramLabel = "SIZE", description = "What is kept as one; 64k if left out.")
    String range;

    @Option(names = "--speed", paramLabel = "SIZE", description = "Bytes a second at most.")
    String speed;

    @Option(names = "--wait", description = "Waits until it has ended, with a progress bar.")
    boolean wait;

    @Option(names = "--json", description = "For scripts: the job as an object.")
    boolean json;

    @Override
    public int run(Call call) throws Exception {
        Map<String, String> asked = new LinkedHashMap<>();
        asked.put(BackupJob.TARGET, call.spec(target).toString());
        put(asked, BackupJob.SINCE, since);
        put(asked, BackupJob.CLEAR, clear);
        put(asked, BackupJob.ONTO, onto == null ? null : call.spec(onto).toString());
        put(asked, BackupJob.BUFFER, buffer);
        put(asked, BackupJob.RANGE, range);
        put(asked, BackupJob.STALE, stale ? "yes" : null);
        put(asked, BackupJob.WAITS, waits ? "yes" : null);
        Map<String, String> settings = speed == null ? Map.of() : Map.of("speed", speed);
        Job job = jobs.begin(new JobRequest(BackupJob.KIND, id, settings, asked, options, Map.of()));
        JobWait.report(job, wait, json, call);
        return 0;
    }

    private static void put(Map<String, String> values, String key, String value) {
        if (value != null) {
            values.put(key, value);
        }
    }
}
