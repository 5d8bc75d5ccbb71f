package org.blktap.shell.command;

import java.util.List;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Attachments.ServiceStatus;
import picocli.CommandLine.Command;

@Command(name = "drivers", description = "Lists the disk types that can be attached.")
final class Drivers extends ServiceListing {
    Drivers(Surroundings here) {
        super(here, "TYPE");
    }

    @Override
    List<ServiceStatus> all(Attachments attachments) {
        return attachments.drivers();
    }
}
