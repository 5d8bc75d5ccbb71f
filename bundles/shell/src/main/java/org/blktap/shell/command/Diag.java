package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.deploy.DaemonDiagnosis;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "diag",
        summary = "Shows why an attachment or a bundle is not active; without a name, all that are not.",
        operands = "[ID|BUNDLE]")
@Command(
        description = {
            "Of a bundle, it also shows what the bundle brings: types of disks, kinds of nodes, engines, verbs.",
            "What this machine cannot have, such as an engine without its library, is shown with the reason."
        },
        footer = {"", "Examples:", "  diag", "  diag a", "  diag format-qcow", "  diag libaio"})
public final class Diag extends TapCommand {
    @Parameters(
            description =
                    "A bundle by symbolic name, without org.blktap. if it is ours; or a type, kind of node, engine or verb.")
    String name;

    @Override
    void run(PrintWriter out) throws Exception {
        new DaemonDiagnosis(
                        here.bundles(), here.components(), here.attachmentsNow().get())
                .lines(name)
                .forEach(out::println);
    }
}
