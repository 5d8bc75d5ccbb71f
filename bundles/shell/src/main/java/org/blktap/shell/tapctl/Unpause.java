package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import java.util.List;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "unpause", description = "Opens the image of a paused minor again, or another in its place.")
final class Unpause extends TapCtlVerb {
    @Mixin
    Tap tap;

    @Option(
            names = "-a",
            paramLabel = "TYPE:PATH",
            description = "Another image, of the same size, sector size and access.")
    String arguments;

    @Option(
            names = "-2",
            paramLabel = "TYPE:PATH",
            description = "A second image, which gets all writes from now on, too; nbd:PATH is the socket of a server.")
    String secondary;

    @Option(names = "-c", paramLabel = "PATH", description = "Refused: the log of changed blocks.")
    String log;

    Unpause(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        Image.refuse(log != null, "-c", "there is no log of changed blocks");
        Minor found = taps.findOpen(tap.pid, tap.minor);
        if (found.disk().state() != State.PARKED) {
            throw new Refused(TapErrno.EINVAL, "minor " + tap.minor + " is not paused");
        }
        TapSpec other = arguments == null ? null : taps.image(arguments);
        List<String> mirror = taps.mirror(secondary);
        String id = found.disk().id();
        // as tapdisk's, a mirror ends with the pause
        taps.endMirror(found);
        for (String each : mirror) {
            taps.attachments().addFilter(id, each, null);
        }
        boolean done = false;
        try {
            if (other == null) {
                taps.attachments().resume(id);
            } else {
                taps.attachments().resume(id, other);
            }
            done = true;
        } finally {
            if (!done) {
                taps.endMirror(taps.findOpen(tap.pid, tap.minor));
            }
        }
    }
}
