package org.blktap.jobs.fleece;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The verb {@code expose}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "expose",
        summary = "Shows what a disk has now as a read-only disk of its own, until it is ended.",
        operands = "[ID]",
        values = {"--end=ID", "--node=NODE", "--buffer=SIZE", "--range=SIZE"})
@Command(
        description = "Any NBD client can then copy it while the VM writes. What the VM changes is kept in a buffer.",
        footer = {
            "",
            "Examples:",
            "  expose root --as root-now",
            "  nbdcopy 'nbd+unix:///root-now?socket=/run/blktap/nbd.sock' /backup/root.img",
            "  expose --end root-now"
        })
public final class ExposeVerb implements Verb {
    private static final String NODE = "nbd";

    @Reference
    PointsInTime points;

    @Parameters(description = "An attachment.")
    String id;

    @Option(names = "--as", paramLabel = "NAME", description = "The id of the new attachment.")
    String name;

    @Option(
            names = "--since",
            paramLabel = "BITMAP",
            description = "Shows also what has changed since the bitmap was cleared, and clears it.")
    String since;

    @Option(names = "--node", paramLabel = "NODE", description = "A node of the new attachment; nbd if left out.")
    List<String> nodes = new ArrayList<>();

    @Option(
            names = "--buffer",
            paramLabel = "SIZE",
            description = "How much old data is kept, in the data directory; 4G if left out.")
    String buffer;

    @Option(names = "--range", paramLabel = "SIZE", description = "What is kept as one; 64k if left out.")
    String range;

    @Option(names = "--end", paramLabel = "NAME", description = "Ends what was exposed under this name.")
    String ended;

    @Option(names = "--failed", description = "With --end: what was copied is not safe; the bitmap contains it again.")
    boolean failed;

    @Option(
            names = "--stale",
            description =
                    "With --since: a bitmap that may miss changes after a power loss is used; all is shown as changed.")
    boolean stale;

    @Override
    public int run(Call call) throws Exception {
        if (ended != null) {
            if (id != null || name != null || since != null || !nodes.isEmpty()) {
                throw new DiskException(Reason.BAD_OPTION, "--end takes the name only");
            }
            end(call.attachments());
            return 0;
        }
        if (id == null || name == null) {
            throw new DiskException(Reason.BAD_OPTION, "expected: expose ID --as NAME, or expose --end NAME");
        }
        begin(call.attachments());
        return 0;
    }

    private void begin(Attachments attachments) throws DiskException {
        points.begin(id, new PointsInTime.Wish(name, since, buffer, range, false, false, stale));
        boolean done = false;
        try {
            attachments.attach(new AttachRequest(
                    new TapSpec(FleeceDriver.TYPE, id + "/" + name),
                    name,
                    nodes.isEmpty() ? List.of(NODE) : nodes,
                    true,
                    Map.of()));
            done = true;
        } finally {
            if (!done) {
                points.end(id, false);
            }
        }
    }

    private void end(Attachments attachments) throws DiskException {
        String source = points.having(ended);
        boolean shown = attachments.list().stream()
                .anyMatch(each -> each.id().equals(ended) && each.spec().startsWith("tap:" + FleeceDriver.TYPE + ":"));
        if (source == null && !shown) {
            throw new DiskException(Reason.NOT_FOUND, "nothing is exposed as '" + ended + "'");
        }
        if (shown) {
            attachments.detach(ended, true);
        }
        if (source != null) {
            // a point in time that was not shown belongs to a backup, which alone knows whether its copy is safe
            points.end(source, !failed && shown);
        }
    }
}
