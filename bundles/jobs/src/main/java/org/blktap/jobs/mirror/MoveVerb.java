package org.blktap.jobs.mirror;

import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.jobs.JobService;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;

/** The verb {@code move}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "move",
        summary = "Moves an attached disk to another image, of any type and place, while its VM uses it.",
        operands = {"ID", "TARGET=NEW"})
@Command(
        description = {
            "The target is created, unless it is a block device or tap:nbd:. When it is equal, the disk continues with it after a",
            "pause, whose length is printed. The image that it had before stays as it was at that moment."
        },
        footer = {
            "",
            "Examples:",
            "  move root tap:qcow2:/new/root.qcow2 --wait",
            "  move root tap:aio:/dev/vg0/root --speed 100M",
            "  move root tap:nbd:nbd://host/root"
        })
public final class MoveVerb extends CopyVerb {
    @Reference
    JobService service;

    @Override
    JobService service() {
        return service;
    }

    @Override
    String kind() {
        return MirrorJobs.MOVE;
    }
}
