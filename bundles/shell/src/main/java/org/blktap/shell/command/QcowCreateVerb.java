package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.disk.TapSpec;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "qcow-create",
        summary = "Creates a qcow image, as the tool of this name always did.",
        operands = {"SIZE(MB)=SIZE", "FILE", "[BACKING=FILE|SPEC]"},
        runs = Where.CLIENT)
@Command(
        footer = {
            "",
            "Examples:",
            "  qcow-create 10240 /vm/a.qcow",
            "  qcow-create -f qcow2 10240 /vm/b.qcow2 /vm/base.img"
        })
public final class QcowCreateVerb extends TapCommand {
    private static final long MAX_MEGABYTES = 1L << 40;

    @Parameters(index = "0", description = "The size of the disk in MiB.")
    long megabytes;

    @Parameters(index = "1", description = "The image to create.")
    String file;

    @Parameters(index = "2", description = "What it overlays: a raw file, or a tap spec.")
    String backing;

    @Option(names = "-r", description = "Reserves the space of the whole disk.")
    boolean reserve;

    @Option(names = "-f", paramLabel = "FORMAT", description = "qcow (the default) or qcow2.")
    String format = "qcow";

    @Override
    void run(PrintWriter out) throws Exception {
        if (!format.equals("qcow") && !format.equals("qcow2")) {
            throw org.blktap.api.disk.Options.bad("-f", format, "qcow or qcow2");
        }
        if (megabytes <= 0 || megabytes > MAX_MEGABYTES) {
            throw org.blktap.api.disk.Options.bad("SIZE(MB)", Long.toString(megabytes), "MiB, above 0");
        }
        TapSpec below = backing == null ? null : here.imageOr("aio", backing);
        here.images().create(here.newFile("tap:" + format + ":" + file), megabytes << 20, below, reserve, Map.of());
    }
}
