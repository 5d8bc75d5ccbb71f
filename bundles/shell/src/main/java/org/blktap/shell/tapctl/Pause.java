package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "pause", description = "Closes the image of a minor while its clients wait.")
final class Pause extends TapCtlVerb {
    @Mixin
    Tap tap;

    @Option(names = "-t", paramLabel = "SECONDS", description = "How long to wait until it is paused.")
    int timeout;

    Pause(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        Minor found = taps.findOpen(tap.pid, tap.minor);
        Taps.within(timeout, () -> taps.attachments().park(found.disk().id()));
    }
}
