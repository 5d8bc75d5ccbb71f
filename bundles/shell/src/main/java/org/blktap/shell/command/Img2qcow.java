package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.control.Images.Conversion;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "img2qcow",
        summary = "Converts a raw image to qcow.",
        operands = {"QCOW_FILE=FILE", "SRC_IMAGE=FILE|SPEC"},
        runs = Where.CLIENT,
        longRunning = true)
@Command(footer = {"", "Example:", "  img2qcow /vm/a.qcow /vm/a.img"})
public final class Img2qcow extends Converting {
    @Parameters(index = "0", description = "The image to create.")
    String qcow;

    @Parameters(index = "1", description = "A raw file or block device, or a tap spec.")
    String image;

    @Override
    void run(PrintWriter out) throws Exception {
        convert(new Conversion(
                here.imageOr("aio", image), Map.of(), here.newFile("tap:qcow:" + qcow), Map.of(), false));
    }
}
