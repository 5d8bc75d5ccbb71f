package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import picocli.CommandLine.Command;

@Command(name = "spawn", description = "Prints the pid that the other verbs take: the daemon serves all.")
final class Spawn extends TapCtlVerb {
    Spawn(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) {
        out.println(taps.minors().daemon());
    }
}
