package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "detach", description = "Ends an attachment: drains, flushes, closes, forgets.")
final class Detach extends TapCommand {
    @Parameters(paramLabel = "ID")
    String id;

    @Option(names = "--force", description = "Do not ask the VM to let the disk go; it sees errors if it uses it.")
    boolean force;

    Detach(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().detach(id, force);
    }
}
