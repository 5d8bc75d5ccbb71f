package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "park", summary = "Closes an attachment's disk while its VM waits.", operands = "ID")
public final class Park extends TapCommand {
    @Parameters
    String id;

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().park(id);
    }
}
