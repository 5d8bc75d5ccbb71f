package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import org.blktap.api.control.AttachmentStatus.State;
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

    @Option(names = "-2", paramLabel = "PATH", description = "Refused: a second image.")
    String secondary;

    @Option(names = "-c", paramLabel = "PATH", description = "Refused: the log of changed blocks.")
    String log;

    Unpause(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        Image.refuse(secondary != null, "-2", "there is no second image");
        Image.refuse(log != null, "-c", "there is no log of changed blocks");
        Minor found = taps.findOpen(tap.pid, tap.minor);
        if (found.disk().state() != State.PARKED) {
            throw new Refused(TapErrno.EINVAL, "minor " + tap.minor + " is not paused");
        }
        if (arguments == null) {
            taps.attachments().resume(found.disk().id());
        } else {
            taps.attachments().resume(found.disk().id(), taps.image(arguments));
        }
    }
}
