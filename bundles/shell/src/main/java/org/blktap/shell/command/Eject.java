package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.TapSpec;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "eject",
        summary =
                "Takes the medium out of a drive, a read-only attachment, while its VM runs: requests fail until another is inserted.",
        operands = "ID")
@Command(footer = {"", "Example:", "  eject cdrom"})
public final class Eject extends TapCommand {
    /** The spec of a drive without a medium. */
    private static final TapSpec NONE = new TapSpec("empty", "drive");

    @Parameters
    String id;

    @Option(names = "--force", description = "Also of a writable disk, whose VM must not use it meanwhile.")
    boolean force;

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().exchange(id, NONE, force);
    }
}
