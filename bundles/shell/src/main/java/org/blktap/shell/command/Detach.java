package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "detach", summary = "Ends an attachment: drains, flushes, closes, forgets.", operands = "ID")
public final class Detach extends TapCommand {
    @Parameters
    String id;

    @Option(names = "--force", description = "Do not ask the VM to let the disk go; it sees errors if it uses it.")
    boolean force;

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().detach(id, force);
    }
}
