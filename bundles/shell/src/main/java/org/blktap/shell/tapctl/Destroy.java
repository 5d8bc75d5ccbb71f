package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "destroy", description = "Closes, detaches and frees a minor.")
final class Destroy extends TapCtlVerb {
    @Mixin
    Tap tap;

    @Option(names = "-t", paramLabel = "SECONDS", description = "How long to wait for the end.")
    int timeout;

    Destroy(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        Minor found = taps.find(tap.pid, tap.minor);
        Taps.within(timeout, () -> {
            taps.close(found, false);
            taps.minors().inOneStep(() -> remove(found.number()));
        });
    }

    private void remove(int number) throws Exception {
        Minor now = taps.minor(number);
        if (now != null && now.disk() != null) {
            throw new Refused(
                    TapErrno.EBUSY,
                    "minor " + number + " has been opened again, on "
                            + now.disk().spec());
        }
        taps.minors().remove(number);
    }
}
