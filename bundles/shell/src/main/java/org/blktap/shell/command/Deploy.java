package org.blktap.shell.command;

import java.io.PrintWriter;
import java.nio.file.Path;
import org.blktap.deploy.Deployer;
import org.osgi.framework.Bundle;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "deploy", description = "Installs or replaces a bundle's jar in deploy/ atomically.",
        footer = {"", "A jar that the framework cannot resolve, or that does not start, changes nothing: what was there before stays, or is put back.",
            "The jar's name in deploy/ has no version, so that the next version takes its place. undeploy removes a bundle.", "", "Example:",
            "  deploy driver-zero-3.0.0.jar"})
final class Deploy extends TapCommand {
    @Parameters(paramLabel = "FILE", description = "A jar with a Bundle-SymbolicName.")
    String file;
    @Option(names = "--no-wait", description = "Does not wait until the bundle is active.")
    boolean noWait;

    Deploy(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        Deployer deployer = here.deployer();
        Path jar = here.directory().resolve(file);
        if (noWait) {
            out.println(deployer.leave(jar));
            return;
        }
        Bundle bundle = deployer.deploy(jar);
        out.println(bundle.getSymbolicName() + " " + bundle.getVersion() + " is active");
    }
}
