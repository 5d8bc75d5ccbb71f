package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "resize", description = "Changes the size of an image's disk; the image is not attached meanwhile.",
        footer = {"", "Example:", "  resize tap:qcow2:/vm/a.qcow2 20G"})
final class Resize extends TapCommand {
    @Parameters(index = "0", paramLabel = "SPEC", description = "tap:<type>:<path>")
    String image;
    @Parameters(index = "1", paramLabel = "SIZE", description = "The new size, e.g. 20G.")
    String size;
    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the format.")
    Map<String, String> options = new LinkedHashMap<>();

    Resize(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        here.images().resize(here.spec(image), Create.size(size), options);
    }
}
