package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "resume", description = "Opens a parked attachment's disk again, or another image in its place.",
        footer = {"", "Examples:", "  resume a", "  resume a tap:qcow2:/vm/a-2.qcow2"})
final class Resume extends TapCommand {
    @Parameters(index = "0", paramLabel = "ID")
    String id;
    @Parameters(index = "1", paramLabel = "SPEC", arity = "0..1", description = "The image to go on with: of the same sector size and access, and the same size unless the disk is read-only.")
    String image;

    Resume(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        if (image == null) {
            here.attachments().resume(id);
        } else {
            here.attachments().resume(id, here.spec(image));
        }
    }
}
