package org.blktap.shell.command;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachmentStats;

/** Compares the counters of attachments with the previous ones. */
final class RateMeter {
    private final Map<String, AttachmentStats> before = new HashMap<>();
    private long at;

    /** Returns the rates since the last call; none for a new attachment. */
    List<Rates> measure(List<AttachmentStats> stats) {
        long now = System.nanoTime();
        double seconds = Math.max(1, now - at) / (double) TimeUnit.SECONDS.toNanos(1);
        List<Rates> rates = new ArrayList<>();
        for (AttachmentStats each : stats) {
            AttachmentStats earlier = before.get(each.id());
            if (earlier != null) {
                rates.add(Rates.between(earlier, each, seconds));
            }
        }
        before.clear();
        stats.forEach(each -> before.put(each.id(), each));
        at = now;
        return rates;
    }
}
