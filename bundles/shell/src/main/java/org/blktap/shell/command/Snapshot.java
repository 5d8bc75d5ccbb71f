package org.blktap.shell.command;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.Attachments.Overlay;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
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
    /** Types of which an overlay can be; an image of one of them gets an overlay of its own type. */
    private static final Set<String> OVERLAYS = Set.of("qcow", "qcow2", "vhd", "vhdx", "vmdk");

    private static final String USUAL = "qcow2";
    private static final DateTimeFormatter NOW = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");
    /** What a name ends with that was made here, so that names do not grow with each snapshot. */
    private static final String MADE_HERE = "\\.\\d{8}-\\d{6}(-\\d+)?\\.[a-z0-9]+$";

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
     * What one attachment has now.
     *
     * @param chain images from the uppermost down, as far as they say
     */
    record Taken(String id, String image, String backing, long pausedMicros, List<String> chain) {}

    @Override
    void run(PrintWriter out) throws Exception {
        if (name != null && name.indexOf('/') >= 0 && ids.size() > 1) {
            throw new Verbs.UsageException(
                    "--name with a slash names one file; give a name without one for several IDs");
        }
        List<Overlay> overlays = new ArrayList<>();
        List<TapSpec> before = new ArrayList<>();
        String time = LocalDateTime.now().format(NOW);
        for (String id : ids) {
            TapSpec image = TapSpec.parse(here.attachments().status(id).spec());
            before.add(image);
            overlays.add(new Overlay(id, overlay(image, time), options));
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

    private TapSpec overlay(TapSpec image, String time) throws DiskException {
        String overlayType = type != null ? type : OVERLAYS.contains(image.type()) ? image.type() : USUAL;
        if (name != null && name.indexOf('/') >= 0) {
            return here.newFile("tap:" + overlayType + ":" + name);
        }
        if (!image.path().startsWith("/")) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    image + ": is no file that an overlay could lie beside; give --name with a file");
        }
        if (name != null) {
            return new TapSpec(overlayType, image.path() + "." + name + "." + overlayType);
        }
        String stem = image.path().replaceFirst(MADE_HERE, "") + "." + time;
        Path path = FileNames.path(stem + "." + overlayType);
        for (int i = 2; Files.exists(path); i++) {
            path = FileNames.path(stem + "-" + i + "." + overlayType);
        }
        return new TapSpec(overlayType, FileNames.text(path));
    }

    /** The images of a chain, the last of which may have more below if its type does not say so. */
    private List<String> chain(TapSpec image, TapSpec backing) {
        List<String> all = new ArrayList<>(List.of(image.toString(), backing.toString()));
        try {
            TapSpec next = here.images().info(backing, Map.of()).backing();
            while (next != null && !all.contains(next.toString())) {
                all.add(next.toString());
                next = here.images().info(next, Map.of()).backing();
            }
        } catch (DiskException e) {
            // the snapshot is taken; how the chain goes on, info shows
            return all;
        }
        return all;
    }
}
