package org.blktap.shell.command;

import java.util.List;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.ServiceStatus;
import picocli.CommandLine.Command;

@Command(name = "nodes", description = "Lists the kinds of device nodes.")
final class Nodes extends ServiceListing {
    Nodes(Surroundings here) {
        super(here, "KIND");
    }

    @Override
    List<ServiceStatus> all(Attachments attachments) {
        return attachments.nodes();
    }
}
