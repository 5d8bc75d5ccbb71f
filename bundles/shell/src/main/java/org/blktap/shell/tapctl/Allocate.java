package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "allocate", description = "Reserves a minor; prints its name, which ends with the number.")
final class Allocate extends TapCtlVerb {
    @Option(names = "-d", paramLabel = "DEVICE", description = "Without effect: there is no block device to name.")
    String device;

    Allocate(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        out.println(taps.minors().file(taps.minors().allocate(taps.attachments())));
    }
}
