package org.blktap.shell.command;

import java.io.PrintWriter;
import org.osgi.framework.Bundle;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "undeploy", description = "Takes a bundle out of deploy/, and waits until it is gone.",
        footer = {"", "Disks that it serves wait, parked, until it is deployed again. Bundles of the platform (bundle/) cannot be taken out.", "",
            "Examples:", "  undeploy driver-zero", "  undeploy org.example.my-format"})
final class Undeploy extends TapCommand {
    @Parameters(paramLabel = "NAME", description = "Its symbolic name, without org.blktap. if it is ours, or the name of its jar.")
    String name;

    Undeploy(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        Bundle bundle = here.deployer().undeploy(name);
        out.println(bundle.getSymbolicName() + " " + bundle.getVersion() + " is gone");
    }
}
