package org.blktap.jobs.bitmap;

import java.time.Duration;
import java.util.List;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The verb {@code bitmap}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "bitmap",
        summary = "Adds, removes, clears or lists the dirty bitmaps of an attachment while its VM uses it.",
        operands = {"ACTION=TEXT", "ID", "[NAME=TEXT]"},
        values = "--granularity=SIZE")
@Command(
        description = {
            "A dirty bitmap records which parts of the disk were written, for incremental backups: see backup --since.",
            "The VM sees a pause, whose length is printed."
        },
        footer = {
            "",
            "Examples:",
            "  bitmap add root daily",
            "  bitmap add root hourly --granularity 1M",
            "  bitmap list root",
            "  bitmap clear root daily",
            "  bitmap remove root hourly"
        })
public final class BitmapVerb implements Verb {
    /** The actions; their names are the words of the command line. */
    enum Action {
        add,
        remove,
        clear,
        list
    }

    @Reference
    Bitmaps bitmaps;

    @Parameters(description = "add, remove, clear or list")
    Action action;

    @Parameters(description = "An attachment.")
    String id;

    @Parameters(description = "The bitmap; not for list.")
    String name;

    @Option(
            names = "--granularity",
            paramLabel = "SIZE",
            description = "For add: bytes of the disk for each bit, a power of two from 512 to 1G; 64K if left out.")
    String granularity;

    @Option(names = "--json", description = "For scripts: an array of the bitmaps, or the length of the pause.")
    boolean json;

    /** How long requests waited. */
    record Change(long pausedMicros) {}

    @Override
    public int run(Call call) throws Exception {
        check(action == Action.add || granularity == null, "--granularity is for add");
        if (action == Action.list) {
            check(name == null, "list takes the attachment only");
            list(call);
            return 0;
        }
        check(name != null, "NAME is missing: give the bitmap to " + action);
        Duration pause = switch (action) {
            case add -> bitmaps.add(id, name, bytes());
            case remove -> bitmaps.remove(id, name);
            default -> bitmaps.clear(id, name);
        };
        if (json) {
            call.json(new Change(pause.toNanos() / 1000));
        } else if (call.attachments().status(id).state() == State.PARKED) {
            call.out().println("done; the disk is parked");
        } else {
            call.out().println("paused " + pause.plusNanos(500_000).toMillis() + " ms");
        }
        return 0;
    }

    private static void check(boolean right, String wrong) throws DiskException {
        if (!right) {
            throw new DiskException(Reason.BAD_OPTION, wrong);
        }
    }

    private long bytes() throws DiskException {
        try {
            return granularity == null ? 0 : Options.parseSize(granularity);
        } catch (IllegalArgumentException e) {
            throw Options.bad("--granularity", granularity, "a size such as 64K");
        }
    }

    private void list(Call call) throws DiskException {
        List<BitmapStatus> all = bitmaps.list(id);
        if (json) {
            call.json(all);
            return;
        }
        call.table(
                List.of("BITMAP", "GRANULARITY", "DIRTY", "STATE"),
                all.stream()
                        .map(each -> List.of(
                                each.name(),
                                Options.sizeText(each.granularity()),
                                TrackedBitmap.dirtyText(each),
                                state(each)))
                        .toList());
    }

    private static String state(BitmapStatus each) {
        return (each.stale() ? "stale" : "recording") + (each.usedBy().isEmpty() ? "" : ", used by " + each.usedBy());
    }
}
