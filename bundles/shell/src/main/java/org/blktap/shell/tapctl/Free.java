package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "free", description = "Releases a reserved minor.")
final class Free extends TapCtlVerb {
    @Option(names = "-m", paramLabel = "MINOR", required = true, description = "The number.")
    int minor;

    Free(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        taps.minors().inOneStep(this::free);
    }

    private void free() throws Exception {
        Minor found = taps.minor(minor);
        if (found == null) {
            throw new Refused(TapErrno.ENOENT, "no minor " + minor);
        }
        if (found.pid() != 0) {
            throw new Refused(
                    TapErrno.EAGAIN, "minor " + minor + " is attached to pid " + found.pid() + "; detach it first");
        }
        taps.minors().remove(minor);
    }
}
