package org.blktap.shell.command;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "plug", description = "Adds a node to an attachment without disturbing the others.",
        footer = {"", "Examples:", "  plug a nbd", "  plug a xen:web1/xvdb"})
final class Plug extends TapCommand {
    @Parameters(index = "0", paramLabel = "ID")
    String id;
    @Parameters(index = "1", paramLabel = "NODE", description = "As for attach: kind[:target][,key=value...]")
    String node;

    Plug(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.attachments().plug(id, node);
        var nodes = here.attachments().status(id).nodes();
        out.println(nodes.get(nodes.size() - 1).address());
    }
}
