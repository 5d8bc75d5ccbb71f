package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "detach", description = "Undoes attach; the minor stays reserved.")
final class TapDetach extends TapCtlVerb {
    @Mixin
    Tap tap;

    TapDetach(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        taps.minors().inOneStep(this::detach);
    }

    private void detach() throws Exception {
        Minor found = taps.find(tap.pid, tap.minor);
        if (found.disk() != null) {
            throw new Refused(
                    TapErrno.EBUSY,
                    "minor " + tap.minor + " is open on " + found.disk().spec() + "; close it first");
        }
        taps.minors().bind(tap.minor, 0);
    }
}
