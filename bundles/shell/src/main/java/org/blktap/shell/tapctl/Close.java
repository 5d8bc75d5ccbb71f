package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "close", description = "Drains, flushes and closes what is open on a minor; it stays attached.")
final class Close extends TapCtlVerb {
    @Mixin
    Tap tap;

    @Option(names = "-f", description = "Does not ask the guest that uses it; NBD clients are cut off in any case.")
    boolean force;

    @Option(names = "-t", paramLabel = "SECONDS", description = "How long to wait for the end.")
    int timeout;

    Close(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        Minor found = taps.find(tap.pid, tap.minor);
        Taps.within(timeout, () -> taps.close(found, force));
    }
}
