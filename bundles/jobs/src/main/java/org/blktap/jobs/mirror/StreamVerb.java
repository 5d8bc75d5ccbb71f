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

/** The verb {@code stream}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "stream",
        summary = "Copies what a disk has in its backing images into it, until it needs none, while its VM uses it.",
        operands = "ID",
        values = "--base=SPEC")
@Command(
        description = {
            "With an overlay over an image elsewhere, such as tap:nbd:, a VM starts at once, and its data follows.",
            "The images stay that are not needed any more."
        },
        footer = {"", "Examples:", "  stream root --wait", "  stream root --base tap:qcow2:/vm/golden.qcow2"})
public final class StreamVerb extends MirrorVerb {
    @Reference
    JobService service;

    @Option(
            names = "--base",
            paramLabel = "SPEC",
            description = "The image of the chain that becomes the backing image; none if left out.")
    String base;

    @Override
    JobService service() {
        return service;
    }

    @Override
    String kind() {
        return MirrorJobs.STREAM;
    }

    @Override
    Map<String, String> arguments(Call call) throws DiskException {
        Map<String, String> values = new LinkedHashMap<>();
        if (base != null) {
            values.put(MirrorPlan.BASE, call.spec(base).toString());
        }
        return values;
    }
}
