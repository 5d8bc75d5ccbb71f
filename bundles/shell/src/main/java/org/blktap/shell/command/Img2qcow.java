package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Map;
import org.blktap.api.control.Images.Conversion;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "img2qcow", description = "Converts a raw image to qcow.", footer = {"", "Example:", "  img2qcow /vm/a.qcow /vm/a.img"})
final class Img2qcow extends Converting {
    @Parameters(index = "0", paramLabel = "QCOW_FILE", description = "The image to create.")
    String qcow;
    @Parameters(index = "1", paramLabel = "SRC_IMAGE", description = "A raw file or block device, or a tap spec.")
    String image;

    Img2qcow(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        convert(new Conversion(here.imageOr("aio", image), Map.of(), here.newFile("tap:qcow:" + qcow), Map.of(), false));
    }
}
