package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "unplug",
        summary = "Takes a node away from an attachment, after its VM has let the device go.",
        operands = {"ID", "NODE=PLUGGED"})
@Command(
        description = "The others see a short pause.",
        footer = {"", "Examples:", "  unplug a nbd", "  unplug a xen:web1/xvdb"})
public final class Unplug extends TapCommand {
    @Parameters(index = "0")
    String id;

    @Parameters(
            index = "1",
            description = "As it was given, the address that info shows, or its kind if there is one of that only")
    String node;

    @Option(names = "--force", description = "Do not ask the VM to let the device go; it sees errors if it uses it.")
    boolean force;

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().unplug(id, node, force);
    }
}
