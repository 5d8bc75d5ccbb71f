package org.blktap.jobs.mirror;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.DiskException;
import org.blktap.jobs.JobService;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The verb {@code commit}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "commit",
        summary =
                "Moves the data of an overlay into its backing image, and takes it out of the chain, while the VM writes.",
        operands = "ID",
        values = {"--top=SPEC", "--base=SPEC"})
@Command(
        description = {
            "Without --top, the image that the VM writes is committed, and the disk continues with the base.",
            "Images that are taken out of the chain are removed afterwards."
        },
        footer = {
            "",
            "Examples:",
            "  commit root --wait",
            "  commit root --base tap:qcow2:/vm/root.qcow2",
            "  commit root --top tap:qcow2:/vm/monday.qcow2      (an image in the middle)"
        })
public final class CommitVerb extends MirrorVerb {
    @Reference
    JobService service;

    @Option(
            names = "--top",
            paramLabel = "SPEC",
            description = "The uppermost image that is committed; the one that the VM writes if left out.")
    String top;

    @Option(
            names = "--base",
            paramLabel = "SPEC",
            description = "The image that receives the data; the backing image of the top if left out.")
    String base;

    @Option(names = "--keep", description = "The images that are taken out of the chain stay.")
    boolean keep;

    @Override
    JobService service() {
        return service;
    }

    @Override
    String kind() {
        return MirrorJobs.COMMIT;
    }

    @Override
    Map<String, String> arguments(Call call) throws DiskException {
        Map<String, String> values = new LinkedHashMap<>();
        if (top != null) {
            values.put(MirrorPlan.TOP, call.spec(top).toString());
        }
        if (base != null) {
            values.put(MirrorPlan.BASE, call.spec(base).toString());
        }
        if (keep) {
            values.put(MirrorPlan.KEEP, MirrorFilter.YES);
        }
        return values;
    }
}
