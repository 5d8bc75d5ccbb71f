package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "unplug", description = "Takes a node away from an attachment, after its VM has let the device go. The others see a short pause.",
        footer = {"", "Examples:", "  unplug a nbd", "  unplug a xen:web1/xvdb"})
final class Unplug extends TapCommand {
    @Parameters(index = "0", paramLabel = "ID")
    String id;
    @Parameters(index = "1", paramLabel = "NODE", description = "As it was given, the address that info shows, or its kind if there is one of that only")
    String node;
    @Option(names = "--force", description = "Do not ask the VM to let the device go; it sees errors if it uses it.")
    boolean force;

    Unplug(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().unplug(id, node, force);
    }
}
