package org.blktap.deploy;

import java.nio.file.Path;
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
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The verb {@code deploy}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "deploy",
        summary = "Installs or replaces a bundle's jar in deploy/ atomically.",
        operands = "FILE")
@Command(
        footer = {
            "",
            "A jar that the framework cannot resolve, or that does not start, changes nothing: what was there before stays, or is put back.",
            "The jar's name in deploy/ has no version, so that the next version takes its place. undeploy removes a bundle.",
            "",
            "Example:",
            "  deploy driver-zero-3.0.0.jar"
        })
public final class DeployVerb implements Verb {
    @Activate
    BundleContext bundles;

    @Reference
    ServiceComponentRuntime components;

    @Reference
    Directories directories;

    @Parameters(description = "A jar with a Bundle-SymbolicName.")
    String file;

    @Option(names = "--no-wait", description = "Does not wait until the bundle is active.")
    boolean noWait;

    @Override
    public int run(Call call) throws Exception {
        Deployer deployer = new Deployer(directories.deploy(), bundles, new FrameworkCheck(bundles, components));
        Path jar = call.directory().resolve(file);
        if (noWait) {
            call.out().println(deployer.leave(jar, line -> remark(call, line)));
            return 0;
        }
        Bundle bundle = deployer.deploy(jar, line -> remark(call, line));
        call.out().println(bundle.getSymbolicName() + " " + bundle.getVersion() + " is active");
        return 0;
    }

    private static void remark(Call call, String line) {
        call.err().println(line);
        call.err().flush();
    }
}
