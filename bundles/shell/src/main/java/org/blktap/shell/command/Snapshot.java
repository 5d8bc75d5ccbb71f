package org.blktap.shell.command;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.Attachments.Overlay;
import org.blktap.api.control.OverlayNames;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.Json;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "snapshot",
        summary = "Keeps disks as they are now, and has their VMs write to new overlays.",
        operands = "ID...",
        values = "--name=FILE")
@Command(
        description = {
            "The image becomes the backing image of a new overlay, which the disk continues with; the VM sees a pause.",
            "Several disks are kept at one point in time: it happens to all or to none."
        },
        footer = {
            "",
            "Examples:",
            "  snapshot root",
            "  snapshot root data --name before-upgrade",
            "  snapshot root --name /vm/new.qcow2 -o cluster-size=128K"
        })
public final class Snapshot extends TapCommand {
    @Parameters(arity = "1..*", description = "Attachments that run and are writable.")
    List<String> ids = new ArrayList<>();

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "The overlay is IMAGE.NAME.TYPE beside the image. With a slash, it is the overlay's file."
                    + " Otherwise the time is its name.")
    String name;

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description = "Type of the overlays. Otherwise that of the image, or qcow2 if no overlay can be of that.")
    String type;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the new image's format.")
    Map<String, String> options = new LinkedHashMap<>();

    @Option(names = "--json", description = "For scripts: an array of what each attachment has now.")
    boolean json;

    /**
     * The result for one attachment.
     *
     * @param chain images from the uppermost down, as far as they are known
     */
    record Taken(String id, String image, String backing, long pausedMicros, List<String> chain) {}

    @Override
    void run(PrintWriter out) throws Exception {
        OverlayNames names = new OverlayNames(name, type);
        if (names.isFile() && ids.size() > 1) {
            throw new Verbs.UsageException(
                    "--name with a slash names one file; give a name without one for several IDs");
        }
        List<Overlay> overlays = new ArrayList<>();
        List<TapSpec> before = new ArrayList<>();
        for (String id : ids) {
            TapSpec image = TapSpec.parse(here.attachments().status(id).spec());
            before.add(image);
            overlays.add(new Overlay(id, overlay(image, names), options));
        }
        List<Duration> pauses = here.attachments().snapshot(overlays);
        List<Taken> taken = new ArrayList<>();
        for (int i = 0; i < overlays.size(); i++) {
            TapSpec image = overlays.get(i).image();
            taken.add(new Taken(
                    ids.get(i),
                    image.toString(),
                    before.get(i).toString(),
                    pauses.get(i).toNanos() / 1000,
                    chain(image, before.get(i))));
        }
        if (json) {
            out.println(Json.of(taken));
            return;
        }
        for (Taken each : taken) {
            out.println(each.id() + ": paused "
                    + Duration.ofNanos(each.pausedMicros() * 1000)
                            .plusNanos(500_000)
                            .toMillis() + " ms");
            each.chain().forEach(image -> out.println("  " + image));
        }
    }

    private TapSpec overlay(TapSpec image, OverlayNames names) throws DiskException {
        TapSpec overlay = names.of(image);
        return names.isFile() ? here.newFile(overlay.toString()) : overlay;
    }

    /**
     * Returns the images of a chain. There may be more below the last one, if its type does not report its backing
     * image.
     */
    private List<String> chain(TapSpec image, TapSpec backing) throws DiskException {
        List<String> all = new ArrayList<>(List.of(image.toString()));
        here.images().chain(backing, Map.of()).forEach(each -> all.add(each.toString()));
        return all;
    }
}
