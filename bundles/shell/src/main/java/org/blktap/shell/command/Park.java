package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "park", description = "Closes an attachment's disk while its VM waits.")
final class Park extends TapCommand {
    @Parameters(paramLabel = "ID")
    String id;

    Park(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().park(id);
    }
}
