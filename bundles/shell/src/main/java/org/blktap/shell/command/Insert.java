package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "insert", description = "Puts a medium into a drive, a read-only attachment, in place of what is in it; its VM sees it with its size. If it cannot be opened, the"
        + " drive keeps what it has.", footer = {"", "Example:", "  insert cdrom tap:aio:/vm/disc-2.iso"})
final class Insert extends TapCommand {
    @Parameters(index = "0", paramLabel = "ID")
    String id;
    @Parameters(index = "1", paramLabel = "SPEC", description = "tap:<type>:<path>; it is opened read-only, with the options of the attach.")
    String medium;
    @Option(names = "--force", description = "Also into a writable disk, whose VM must not use it meanwhile.")
    boolean force;

    Insert(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().exchange(id, here.spec(medium), force);
    }
}
