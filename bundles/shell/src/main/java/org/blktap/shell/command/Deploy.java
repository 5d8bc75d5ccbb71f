package org.blktap.shell.command;

import java.io.PrintWriter;
import java.nio.file.Path;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.deploy.Deployer;
import org.osgi.framework.Bundle;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

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
public final class Deploy extends TapCommand {
    @Parameters(description = "A jar with a Bundle-SymbolicName.")
    String file;

    @Option(names = "--no-wait", description = "Does not wait until the bundle is active.")
    boolean noWait;

    @Override
    void run(PrintWriter out) throws Exception {
        Deployer deployer = here.deployer();
        Path jar = here.directory().resolve(file);
        if (noWait) {
            out.println(deployer.leave(jar, this::remark));
            return;
        }
        Bundle bundle = deployer.deploy(jar, this::remark);
        out.println(bundle.getSymbolicName() + " " + bundle.getVersion() + " is active");
    }

    private void remark(String line) {
        call.err().println(line);
        call.err().flush();
    }
}
