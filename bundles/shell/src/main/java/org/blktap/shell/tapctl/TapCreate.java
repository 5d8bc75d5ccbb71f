package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import java.util.List;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "create", description = "Reserves a minor, attaches it and opens an image; prints the minor's name.")
final class TapCreate extends TapCtlVerb {
    @Mixin
    Image image;

    @Option(names = "-d", paramLabel = "DEVICE", description = "Without effect: there is no block device to name.")
    String device;

    TapCreate(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        image.check();
        TapSpec spec = taps.image(image.arguments);
        List<String> filters = taps.mirror(image.secondary);
        Minors minors = taps.minors();
        int number = minors.allocate(taps.attachments());
        Taps.within(image.timeout, () -> {
            boolean done = false;
            try {
                minors.bind(number, minors.daemon());
                taps.open(new Minor(number, minors.daemon(), null), spec, image, filters);
                done = true;
            } finally {
                if (!done) {
                    minors.remove(number);
                }
            }
        });
        out.println(minors.file(number));
    }
}
