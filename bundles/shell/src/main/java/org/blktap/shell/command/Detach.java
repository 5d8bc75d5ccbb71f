package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "detach", description = "Ends an attachment: drains, flushes, closes, forgets.")
final class Detach extends TapCommand {
    @Parameters(paramLabel = "ID")
    String id;

    Detach(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().detach(id);
    }
}
