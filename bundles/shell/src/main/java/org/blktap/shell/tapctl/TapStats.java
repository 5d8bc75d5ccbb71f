package org.blktap.shell.tapctl;

import static org.blktap.api.memory.Alignment.SECTOR;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.tapctl.Minors.Minor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "stats", description = "Prints the counters of a minor, as JSON; sectors are of 512 bytes.")
final class TapStats extends TapCtlVerb {
    private static final Gson JSON =
            new GsonBuilder().disableHtmlEscaping().serializeNulls().create();

    private static final List<Long> NONE = List.of(0L, 0L);

    @Mixin
    Tap tap;

    TapStats(Taps taps) {
        super(taps);
    }

    @Override
    void run(PrintWriter out) throws Exception {
        Minor found = taps.findOpen(tap.pid, tap.minor);
        AttachmentStats stats = taps.attachments().stats(found.disk().id());
        TapSpec spec = TapSpec.parse(found.disk().spec());
        List<Long> sectors = List.of(
                counter(stats, "read").bytes() / SECTOR, counter(stats, "write").bytes() / SECTOR);
        List<Map<String, Object>> images = new ArrayList<>();
        images.add(image(
                spec,
                sectors,
                List.of(counter(stats, "read").errors(), counter(stats, "write").errors())));
        // requests are counted where they come in
        taps.backings(found).forEach(backing -> images.add(image(backing, NONE, NONE)));
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("name", spec.type() + ":" + spec.path());
        all.put("secs", sectors);
        all.put("images", images);
        // tapdisk really calls it so, and what reads its statistics looks for that
        all.put("FIXME_enospc_redirect_count", 0);
        all.put("nbd_mirror_failed", stats.filters().stream().anyMatch(TapStats::mirrorFailed) ? 1 : 0);
        all.put("reqs_outstanding", stats.inFlight());
        // not tapdisk's: its clients read what they know
        all.put("read_only", found.disk().readOnly());
        all.put("read_caching", "false");
        out.println(JSON.toJson(all));
    }

    private static boolean mirrorFailed(AttachmentStats.FilterStats filter) {
        return filter.type().equals(Taps.MIRROR) && !"no".equals(filter.values().get("failed"));
    }

    private static Map<String, Object> image(TapSpec spec, List<Long> hits, List<Long> failures) {
        Map<String, Object> driver = new LinkedHashMap<>();
        driver.put("name", spec.type());
        driver.put("status", null);
        Map<String, Object> image = new LinkedHashMap<>();
        image.put("name", spec.path());
        image.put("hits", hits);
        image.put("fail", failures);
        image.put("driver", driver);
        return image;
    }

    private static AttachmentStats.Counter counter(AttachmentStats stats, String operation) {
        return stats.operations().getOrDefault(operation, new AttachmentStats.Counter(0, 0, 0, null));
    }
}
