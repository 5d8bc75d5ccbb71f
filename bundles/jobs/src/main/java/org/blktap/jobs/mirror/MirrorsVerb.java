package org.blktap.jobs.mirror;

import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.jobs.JobService;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;

/** The verb {@code mirror}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "mirror",
        summary = "Keeps a second image equal to an attached disk until the job is completed or cancelled.",
        operands = {"ID", "TARGET=NEW"})
@Command(
        description = {
            "Once the job is ready, writes go to both images. blktap job complete has the disk continue with the target;",
            "blktap job cancel ends the mirror, and leaves the target as a copy of that moment."
        },
        footer = {"", "Examples:", "  mirror root tap:qcow2:/backup/root.qcow2", "  job complete 7", "  job cancel 7"})
public final class MirrorsVerb extends CopyVerb {
    @Reference
    JobService service;

    @Override
    JobService service() {
        return service;
    }

    @Override
    String kind() {
        return MirrorJobs.MIRROR;
    }
}
