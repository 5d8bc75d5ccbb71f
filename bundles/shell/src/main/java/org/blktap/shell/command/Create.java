package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "create", description = "Creates an image.", footer = {"", "Examples:", "  create tap:aio:/vm/base.img 10G",
    "  create tap:qcow:/vm/a.qcow 10G --backing tap:aio:/vm/base.img"})
final class Create extends TapCommand {
    @Parameters(index = "0", paramLabel = "SPEC", description = "tap:<type>:<path>")
    String tapSpec;
    @Parameters(index = "1", paramLabel = "SIZE", arity = "0..1", description = "E.g. 512M or 10G; that of the backing if left out.")
    String size;
    @Option(names = "--backing", paramLabel = "SPEC", description = "What the new image overlays.")
    String backing;
    @Option(names = "--reserve", description = "Takes the space of the whole disk at once.")
    boolean reserve;
    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the format.")
    Map<String, String> options = new LinkedHashMap<>();

    Create(Surroundings here) {
        super(here);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        long bytes = -1;
        if (size != null) {
            bytes = size(size);
        } else if (backing == null) {
            throw Options.bad("SIZE", "", "a size, or a backing image that has one");
        }
        here.images().create(here.newFile(tapSpec), bytes, backing == null ? null : here.spec(backing), reserve, options);
    }

    /** Bytes of a size as people write it. */
    static long size(String text) throws DiskException {
        try {
            return Options.parseSize(text);
        } catch (IllegalArgumentException e) {
            throw Options.bad("SIZE", text, "a size such as 512M or 10G");
        }
    }
}
