package org.blktap.core;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachmentStats.FilterStats;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.StateReason;
import org.blktap.api.metrics.MetricSink;
import org.blktap.core.gate.Gate;
import org.blktap.core.gate.Statistics;

/**
 * The figures of one attachment. Any thread but a loop. They are read from what the loop has counted, also if it hangs;
 * the loop is asked only for what filters report.
 */
final class AttachmentMetrics {
    private static final double SECOND_MILLIS = 1e3;
    private static final double SECOND_NANOS = 1e9;
    private static final String ID = "id";
    /** Figures of one filter that are taken. */
    private static final int FILTER_FIGURES = 32;
    /** What a filter reports in milliseconds. */
    private static final String MILLIS = " ms";

    private final AttachmentView view;
    private final LoopCalls calls;
    private final Gate gate;
    private final AttachmentDisk disk;
    private final Parks parks;

    AttachmentMetrics(AttachmentView view, LoopCalls calls, Gate gate, AttachmentDisk disk, Parks parks) {
        this.view = view;
        this.calls = calls;
        this.gate = gate;
        this.disk = disk;
        this.parks = parks;
    }

    /** The images that are open; null while none are. */
    ImageChain chain() {
        OpenImage image = disk.image();
        return image == null ? null : image.chain();
    }

    /** Asks the filters, if there are any and the loop answers. */
    CompletableFuture<List<FilterStats>> filterStats() {
        if (disk.filters().filters().isEmpty() || calls.blockedNanos() > 0) {
            return CompletableFuture.completedFuture(List.of());
        }
        return calls.start(() -> disk.filters().stats());
    }

    /** Gives all figures. @param filters what the filters have reported */
    void collect(MetricSink sink, List<FilterStats> filters) {
        AttachmentStatus status = view.status(null);
        String id = status.id();
        state(sink, id, status);
        for (Statistics.Total each : gate.statistics().totals()) {
            operation(sink, id, each);
        }
        requests(sink, id);
        sink.gauge("blktap_attachment_size_bytes", "Size of the disk that the VM sees.", status.sizeBytes(), ID, id);
        ImageChain chain = chain();
        if (chain != null) {
            images(sink, id, chain);
        }
        filters.forEach(each -> filter(sink, id, each));
    }

    private static void state(MetricSink sink, String id, AttachmentStatus status) {
        for (AttachmentStatus.State each : AttachmentStatus.State.values()) {
            sink.gauge(
                    "blktap_attachment_state",
                    "1 for the state of an attachment, 0 for all others.",
                    each == status.state() ? 1 : 0,
                    ID,
                    id,
                    "state",
                    lower(each));
        }
        if (status.reason().kind() != StateReason.Kind.NONE) {
            sink.gauge(
                    "blktap_attachment_reason",
                    "1 for the reason why an attachment is in its state; absent if there is none.",
                    1,
                    ID,
                    id,
                    "reason",
                    lower(status.reason().kind()));
        }
    }

    private static String lower(Enum<?> each) {
        return each.name().toLowerCase(Locale.ROOT);
    }

    private static void operation(MetricSink sink, String id, Statistics.Total total) {
        String[] labels = {ID, id, "operation", total.operation()};
        sink.counter(
                "blktap_attachment_operations",
                "Requests that have ended.",
                total.seconds().count(),
                labels);
        sink.counter("blktap_attachment_bytes", "Bytes of the requests that have ended.", total.bytes(), labels);
        sink.counter("blktap_attachment_errors", "Requests that have failed.", total.errors(), labels);
        sink.histogram(
                "blktap_attachment_latency_seconds",
                "Time from taking a request of a VM to its end.",
                total.seconds(),
                labels);
    }

    private void requests(MetricSink sink, String id) {
        sink.gauge("blktap_attachment_in_flight", "Requests at the disk at this moment.", gate.inFlight(), ID, id);
        sink.gauge(
                "blktap_attachment_queue_depth",
                "The most requests that were at the disk at once in the last 30 to 60 seconds.",
                gate.depth(),
                ID,
                id);
        sink.gauge(
                "blktap_attachment_stuck_seconds",
                "Time for which no request has ended though some are at the disk.",
                gate.stuckNanos() / SECOND_NANOS,
                ID,
                id);
        sink.gauge(
                "blktap_attachment_blocked_seconds",
                "Time for which the loop does not answer, from 1.5 seconds on; 0 if it answers.",
                calls.blockedNanos() / SECOND_NANOS,
                ID,
                id);
        sink.counter("blktap_attachment_parks", "How often an attachment was parked.", parks.count(), ID, id);
        sink.counter(
                "blktap_attachment_parked_seconds",
                "How long an attachment was parked in all.",
                parks.millis() / SECOND_MILLIS,
                ID,
                id);
    }

    private static void images(MetricSink sink, String id, ImageChain chain) {
        sink.gauge(
                "blktap_attachment_chain_length",
                "Images of a disk: the one that the VM writes and those below it.",
                chain.length(),
                ID,
                id);
        for (int depth = 0; depth < chain.length(); depth++) {
            if (chain.allocated(depth) != ImageChain.UNKNOWN) {
                sink.gauge(
                        "blktap_image_allocated_bytes",
                        "Bytes that the files of an image occupy; depth 0 is the image that the VM writes.",
                        chain.allocated(depth),
                        ID,
                        id,
                        "depth",
                        Integer.toString(depth),
                        "type",
                        chain.type(depth));
            }
        }
    }

    /** Figures in milliseconds become seconds; texts are left out. */
    private static void filter(MetricSink sink, String id, FilterStats filter) {
        int given = 0;
        for (Map.Entry<String, ?> each : filter.values().entrySet()) {
            if (each.getValue() instanceof Number number && given++ < FILTER_FIGURES) {
                boolean millis = each.getKey().endsWith(MILLIS);
                String key = millis
                        ? each.getKey().substring(0, each.getKey().length() - MILLIS.length()) + " seconds"
                        : each.getKey();
                sink.unknown(
                        "blktap_filter_figure",
                        "What a filter reports, as blktap stats shows it; times in seconds.",
                        millis ? number.doubleValue() / TimeUnit.SECONDS.toMillis(1) : number.doubleValue(),
                        ID,
                        id,
                        "filter",
                        filter.type(),
                        "figure",
                        key.replace(' ', '_'));
            }
        }
    }
}
