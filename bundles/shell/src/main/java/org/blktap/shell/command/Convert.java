package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.control.Images.Conversion;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "convert",
        summary = "Copies a disk to a new image of any type, or to a block device. Holes stay holes.",
        operands = {"SOURCE=SPEC", "TARGET=NEW"},
        runs = Where.CLIENT,
        longRunning = true)
@Command(
        footer = {
            "",
            "A new image gets its name when it is complete and on disk. --compress is for types that have compressed clusters.",
            "",
            "Examples:",
            "  convert tap:aio:/vm/a.img tap:qcow2:/vm/a.qcow2",
            "  convert --compress tap:qcow:/vm/a.qcow tap:qcow2:/vm/b.qcow2 -o compression=zstd",
            "  convert tap:vmdk:/vm/c.vmdk tap:aio:/dev/vg0/c"
        })
public final class Convert extends Converting {
    @Parameters(index = "0", description = "tap:<type>:<path>, or an NBD URI")
    String source;

    @Parameters(index = "1", description = "tap:<type>:<path>")
    String target;

    @Option(names = "--compress", description = "Compresses the clusters of the new image.")
    boolean compress;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the target's format.")
    Map<String, String> options = new LinkedHashMap<>();

    @Option(names = "--source-option", paramLabel = "KEY=VALUE", description = "An option of the source's format.")
    Map<String, String> sourceOptions = new LinkedHashMap<>();

    @Override
    void run(PrintWriter out) throws Exception {
        convert(new Conversion(here.source(source), sourceOptions, here.newFile(target), options, compress));
    }
}
