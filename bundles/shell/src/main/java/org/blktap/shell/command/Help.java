package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "help",
        summary = "Lists the verbs, or explains one.",
        operands = "[VERB]",
        runs = Where.ANYWHERE)
public final class Help extends TapCommand {
    @Parameters
    String verb;

    @Override
    void run(PrintWriter out) throws Exception {
        if (!call.verbs().page(verb, out)) {
            throw new Verbs.UsageException("no verb '" + verb + "'");
        }
    }
}
