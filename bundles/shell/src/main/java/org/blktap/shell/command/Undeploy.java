package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.osgi.framework.Bundle;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "undeploy",
        summary = "Takes a bundle out of deploy/, and waits until it is gone.",
        operands = "NAME=BUNDLE")
@Command(
        footer = {
            "",
            "Disks that it serves wait, parked, until it is deployed again. Bundles of the platform (bundle/) cannot be taken out.",
            "",
            "Examples:",
            "  undeploy driver-zero",
            "  undeploy org.example.my-format"
        })
public final class Undeploy extends TapCommand {
    @Parameters(description = "Its symbolic name, without org.blktap. if it is ours, or the name of its jar.")
    String name;

    @Override
    void run(PrintWriter out) throws Exception {
        Bundle bundle = here.deployer().undeploy(name);
        out.println(bundle.getSymbolicName() + " " + bundle.getVersion() + " is gone");
    }
}
