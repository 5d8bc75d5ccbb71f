package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "open", description = "Opens an image on an attached minor, with an NBD server on a socket of its own.")
final class Open extends TapCtlVerb {
    @Mixin
    Tap tap;

    @Mixin
    Image image;

    @Option(names = "-E", description = "Refused: the key of an encrypted VHD.")
    boolean encrypted;

    Open(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        image.check();
        Image.refuse(encrypted, "-E", "encrypted VHDs are not read");
        Minor found = bound();
        if (found.disk() != null) {
            throw new Refused(
                    TapErrno.EALREADY,
                    "minor " + tap.minor + " is open already, on "
                            + found.disk().spec());
        }
        TapSpec spec = taps.image(image.arguments);
        List<String> filters = taps.mirror(image.secondary);
        Taps.within(image.timeout, () -> taps.open(found, spec, image, filters));
    }

    /** As tapdisk, which reports by another number here that nothing is attached. */
    private Minor bound() throws DiskException, Refused {
        try {
            return taps.find(tap.pid, tap.minor);
        } catch (Refused e) {
            throw e.errno() == TapErrno.ENODEV ? new Refused(TapErrno.EINVAL, e.getMessage()) : e;
        }
    }
}
