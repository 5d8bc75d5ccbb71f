package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.control.Images.Conversion;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "convert", description = "Copies a disk to a new image of any type, or to a block device. Holes stay holes.",
        footer = {"", "A new image gets its name when it is complete and on disk. --compress is for types that have compressed clusters.", "", "Examples:",
            "  convert tap:aio:/vm/a.img tap:qcow2:/vm/a.qcow2", "  convert --compress tap:qcow:/vm/a.qcow tap:qcow2:/vm/b.qcow2 -o compression=zstd",
            "  convert tap:vmdk:/vm/c.vmdk tap:aio:/dev/vg0/c"})
final class Convert extends Converting {
    @Parameters(index = "0", paramLabel = "SOURCE", description = "tap:<type>:<path>, or an NBD URI")
    String source;
    @Parameters(index = "1", paramLabel = "TARGET", description = "tap:<type>:<path>")
    String target;
    @Option(names = "--compress", description = "Compresses the clusters of the new image.")
    boolean compress;
    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the target's format.")
    Map<String, String> options = new LinkedHashMap<>();
    @Option(names = "--source-option", paramLabel = "KEY=VALUE", description = "An option of the source's format.")
    Map<String, String> sourceOptions = new LinkedHashMap<>();

    Convert(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        convert(new Conversion(here.source(source), sourceOptions, here.newFile(target), options, compress));
    }
}
