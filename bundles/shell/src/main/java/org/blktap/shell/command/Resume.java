package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "resume", description = "Opens a parked attachment's disk again.")
final class Resume extends TapCommand {
    @Parameters(paramLabel = "ID")
    String id;

    Resume(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().resume(id);
    }
}
