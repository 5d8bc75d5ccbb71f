package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "plug",
        summary = "Adds a node to an attachment without disturbing the others.",
        operands = {"ID", "NODE"})
@Command(footer = {"", "Examples:", "  plug a nbd", "  plug a xen:web1/xvdb"})
public final class Plug extends TapCommand {
    @Parameters(index = "0")
    String id;

    @Parameters(index = "1", description = "As for attach: kind[:target][,key=value...]")
    String node;

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().plug(id, node);
        var nodes = here.attachments().status(id).nodes();
        out.println(nodes.get(nodes.size() - 1).address());
    }
}
