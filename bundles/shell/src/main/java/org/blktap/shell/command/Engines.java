package org.blktap.shell.command;

import java.util.List;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.ServiceStatus;
import picocli.CommandLine.Command;

@Command(name = "engines", description = "Lists the I/O engines, the default first.")
final class Engines extends ServiceListing {
    Engines(Surroundings here) {
        super(here, "ENGINE");
    }

    @Override
    List<ServiceStatus> all(Attachments attachments) {
        return attachments.engines();
    }
}
