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
        name = "qcow2raw",
        summary = "Converts a qcow image to raw.",
        operands = {"DEST=FILE", "QCOW_SRC=FILE|SPEC"},
        runs = Where.CLIENT,
        longRunning = true)
@Command(footer = {"", "Example:", "  qcow2raw /dev/vg0/a /vm/a.qcow"})
public final class Qcow2raw extends Converting {
    @Parameters(index = "0", description = "The raw file to create, or a block device.")
    String target;

    @Parameters(index = "1", description = "A qcow file, or a tap spec.")
    String qcow;

    @Override
    void run(PrintWriter out) throws Exception {
        convert(new Conversion(
                here.imageOr("qcow", qcow), Map.of(), here.newFile("tap:aio:" + target), Map.of(), false));
    }
}
