package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "create",
        summary = "Creates an image.",
        operands = {"SPEC=NEW", "[SIZE]"},
        values = {"--backing=SPEC", "--filter=FILTER"},
        runs = Where.CLIENT)
@Command(
        footer = {
            "",
            "Examples:",
            "  create tap:aio:/vm/base.img 10G",
            "  create tap:qcow:/vm/a.qcow 10G --backing tap:aio:/vm/base.img"
        })
public final class Create extends TapCommand {
    @Parameters(index = "0", description = "tap:<type>:<path>")
    String tapSpec;

    @Parameters(index = "1", description = "E.g. 512M or 10G; that of the backing if left out.")
    String size;

    @Option(names = "--backing", paramLabel = "SPEC", description = "What the new image overlays.")
    String backing;

    @Option(names = "--reserve", description = "Takes the space of the whole disk at once.")
    boolean reserve;

    @Option(
            names = "--filter",
            paramLabel = "FILTER",
            description =
                    "A filter that the disk will be attached with and that stores something in the image; may be repeated."
                            + " SIZE is what the VM sees.")
    List<String> filters = List.of();

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the format.")
    Map<String, String> options = new LinkedHashMap<>();

    @Override
    void run(PrintWriter out) throws Exception {
        long bytes = -1;
        if (size != null) {
            bytes = size(size);
        } else if (backing == null) {
            throw new DiskException(
                    DiskException.Reason.BAD_OPTION, "SIZE is missing: give a size such as 10G, or --backing");
        }
        TapSpec image = here.newFile(tapSpec);
        TapSpec overlaid = backing == null ? null : here.spec(backing);
        try {
            here.images().create(image, bytes, overlaid, reserve, options, filters);
        } catch (DiskException e) {
            if (e.reason() == DiskException.Reason.UNSUPPORTED && e.getMessage().startsWith(image.path())) {
                // the name of a disk that is no file has become a path
                throw new DiskException(
                        e.reason(),
                        tapSpec + e.getMessage().substring(image.path().length()),
                        e);
            }
            throw e;
        }
    }

    /** Bytes of a size as people write it. */
    static long size(String text) throws DiskException {
        try {
            return Options.parseSize(text);
        } catch (IllegalArgumentException e) {
            throw new DiskException(
                    DiskException.Reason.BAD_OPTION, "bad size " + text + ": expected a size such as 512M or 10G");
        }
    }
}
