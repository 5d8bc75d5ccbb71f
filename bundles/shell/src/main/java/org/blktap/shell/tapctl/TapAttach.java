package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "attach", description = "Binds a reserved minor to the daemon.")
final class TapAttach extends TapCtlVerb {
    @Mixin
    Tap tap;

    TapAttach(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        taps.minors().inOneStep(this::attach);
    }

    private void attach() throws Exception {
        if (tap.pid != taps.minors().daemon()) {
            throw taps.noSuchPid(tap.pid);
        }
        Minor found = taps.minor(tap.minor);
        if (found == null) {
            throw new Refused(TapErrno.ENOENT, "no minor " + tap.minor + "; allocate makes one");
        }
        if (found.pid() != 0) {
            throw new Refused(TapErrno.EEXIST, "minor " + tap.minor + " is attached already, to pid " + found.pid());
        }
        taps.minors().bind(tap.minor, tap.pid);
    }
}
