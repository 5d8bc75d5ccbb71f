package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.disk.TapSpec;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "eject", description = "Takes the medium out of a drive, a read-only attachment, while its VM runs: requests fail until another is inserted.",
        footer = {"", "Example:", "  eject cdrom"})
final class Eject extends TapCommand {
    /** What a drive without a medium is attached to. */
    private static final TapSpec NONE = new TapSpec("empty", "drive");

    @Parameters(paramLabel = "ID")
    String id;
    @Option(names = "--force", description = "Also of a writable disk, whose VM must not use it meanwhile.")
    boolean force;

    Eject(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().exchange(id, NONE, force);
    }
}
