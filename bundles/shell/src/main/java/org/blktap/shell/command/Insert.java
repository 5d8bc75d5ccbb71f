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
        name = "insert",
        summary =
                "Puts a medium into a drive, a read-only attachment, in place of what is in it; its VM sees it with its size.",
        operands = {"ID", "SPEC"})
@Command(
        description = "If it cannot be opened, the drive keeps what it has.",
        footer = {"", "Example:", "  insert cdrom tap:aio:/vm/disc-2.iso"})
public final class Insert extends TapCommand {
    @Parameters(index = "0")
    String id;

    @Parameters(index = "1", description = "tap:<type>:<path>; it is opened read-only, with the options of the attach.")
    String medium;

    @Option(names = "--force", description = "Also into a writable disk, whose VM must not use it meanwhile.")
    boolean force;

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().exchange(id, here.spec(medium), force);
    }
}
