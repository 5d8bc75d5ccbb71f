package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Map;
import org.blktap.api.control.Images.Conversion;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "img2qcow", description = "Converts a raw image to qcow.", footer = {"", "Example:", "  img2qcow /vm/a.qcow /vm/a.img"})
final class Img2qcow extends TapCommand {
    @Parameters(index = "0", paramLabel = "QCOW_FILE", description = "The image to create.")
    String first;
    @Parameters(index = "1", paramLabel = "SRC_IMAGE", description = "A raw file or block device, or a tap spec.")
    String second;

    Img2qcow(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        try (ProgressBar bar = new ProgressBar(spec.commandLine().getErr(), here.terminal())) {
            here.images().convert(new Conversion(here.imageOr("aio", second), Map.of(), here.newFile("tap:qcow:" + first), Map.of(), false), bar);
        }
    }
}
