package org.blktap.deploy;

import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.settings.Directories;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** The verb {@code undeploy}. */
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
public final class UndeployVerb implements Verb {
    @Activate
    BundleContext bundles;

    @Reference
    ServiceComponentRuntime components;

    @Reference
    Directories directories;

    @Parameters(description = "Its symbolic name, without org.blktap. if it is ours, or the name of its jar.")
    String name;

    @Override
    public int run(Call call) throws Exception {
        Bundle bundle =
                new Deployer(directories.deploy(), bundles, new FrameworkCheck(bundles, components)).undeploy(name);
        call.out().println(bundle.getSymbolicName() + " " + bundle.getVersion() + " is gone");
        return 0;
    }
}
