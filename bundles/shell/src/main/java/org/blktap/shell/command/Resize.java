package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.Json;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "resize",
        summary = "Grows an attached disk while its VM uses it, or changes the size of an image that is not attached.",
        operands = {"ID|SPEC", "[SIZE]"},
        runs = Where.CLIENT_FOR_IMAGES)
@Command(
        description = "Xen and vhost-user guests see the new size at once, NBD clients when they connect again.",
        footer = {
            "",
            "Examples:",
            "  resize root 20G",
            "  resize lv             (takes the size that a block device or file has now)",
            "  resize tap:qcow2:/vm/a.qcow2 20G"
        })
public final class Resize extends TapCommand {
    @Parameters(index = "0", description = "An attachment, or tap:<type>:<path>.")
    String what;

    @Parameters(
            index = "1",
            description = "The new size, e.g. 20G; of an attachment, the size that its image has now if left out.")
    String size;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the format, for an image.")
    Map<String, String> options = new LinkedHashMap<>();

    @Option(names = "--json", description = "For scripts: the attachment, as info shows it.")
    boolean json;

    @Override
    void run(PrintWriter out) throws Exception {
        if (what.startsWith("tap:")) {
            image();
            return;
        }
        if (!options.isEmpty()) {
            throw new DiskException(Reason.BAD_OPTION, "-o is for images; an attachment has the options of its attach");
        }
        long now = here.attachments().resize(what, size == null ? -1 : Create.size(size));
        if (json) {
            out.println(Json.of(here.attachments().status(what)));
        } else {
            out.println(Info.size(now));
        }
    }

    private void image() throws DiskException {
        if (size == null || json) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    size == null ? "SIZE is missing: give a size such as 20G" : "--json is for attachments");
        }
        TapSpec spec = here.spec(what);
        try {
            here.images().resize(spec, Create.size(size), options);
        } catch (DiskException e) {
            String id = e.reason() == Reason.BUSY ? here.attachedAs(spec) : null;
            if (id == null) {
                throw e;
            }
            throw new DiskException(
                    Reason.BUSY,
                    what + ": in use, attached as '" + id + "'; to grow it while its VM uses it: blktap resize " + id
                            + " " + size,
                    e);
        }
    }
}
