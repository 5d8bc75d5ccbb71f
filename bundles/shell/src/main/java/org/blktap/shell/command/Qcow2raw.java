package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Map;
import org.blktap.api.control.Images.Conversion;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "qcow2raw", description = "Converts a qcow image to raw.", footer = {"", "Example:", "  qcow2raw /dev/vg0/a /vm/a.qcow"})
final class Qcow2raw extends Converting {
    @Parameters(index = "0", paramLabel = "DEST", description = "The raw file to create, or a block device.")
    String target;
    @Parameters(index = "1", paramLabel = "QCOW_SRC", description = "A qcow file, or a tap spec.")
    String qcow;

    Qcow2raw(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        convert(new Conversion(here.imageOr("qcow", qcow), Map.of(), here.newFile("tap:aio:" + target), Map.of(), false));
    }
}
