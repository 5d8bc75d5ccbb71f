package org.blktap.core.gate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.HdrHistogram.Histogram;
import org.blktap.api.control.AttachmentStats.Counter;
import org.blktap.api.control.AttachmentStats.Latency;
import org.blktap.api.disk.Operation;
import org.blktap.api.metrics.Distribution;

/**
 * Counters of one gate, by operation. The loop alone counts, without a lock and with opaque stores, which cost what
 * plain ones do; {@link #totals} is for any thread.
 */
public final class Statistics {
    private static final int KINDS = Operation.values().length;
    /** Resolution of a quarter of a microsecond, two digits, up to 1000 s. */
    private static final long LOWEST_NANOS = 256;

    private static final long HIGHEST_NANOS = 1_000_000_000_000L;
    private static final int DIGITS = 2;
    private static final double SECOND_NANOS = 1e9;

    private final AtomicLongArray bytes = new AtomicLongArray(KINDS);
    private final AtomicLongArray errors = new AtomicLongArray(KINDS);
    private final AtomicLongArray nanos = new AtomicLongArray(KINDS);
    /** Histograms by operation, made at its first use; the total count is the number of requests. */
    private final AtomicReferenceArray<Histogram> latency = new AtomicReferenceArray<>(KINDS);

    void count(GateRequest request, long nowNanos) {
        int kind = request.operation().ordinal();
        Histogram histogram = latency.getPlain(kind);
        if (histogram == null) {
            histogram = newHistogram();
            // others must see it whole
            latency.setRelease(kind, histogram);
        }
        long took = Math.min(HIGHEST_NANOS, Math.max(0, nowNanos - request.takenNanos()));
        histogram.recordValue(took);
        add(nanos, kind, took);
        add(bytes, kind, request.length());
        if (request.error() != 0) {
            add(errors, kind, 1);
        }
    }

    private static void add(AtomicLongArray to, int kind, long amount) {
        to.setOpaque(kind, to.getPlain(kind) + amount);
    }

    private static Histogram newHistogram() {
        return new Histogram(LOWEST_NANOS, HIGHEST_NANOS, DIGITS);
    }

    /** Returns the counters of all operations that have occurred; those of reads and writes in any case. Loop only. */
    public Map<String, Counter> snapshot() {
        Map<String, Counter> counters = new LinkedHashMap<>();
        for (Operation operation : Operation.values()) {
            int kind = operation.ordinal();
            Histogram histogram = latency.getPlain(kind);
            if (histogram != null) {
                counters.put(
                        name(operation),
                        new Counter(
                                histogram.getTotalCount(),
                                bytes.getPlain(kind),
                                errors.getPlain(kind),
                                micros(histogram)));
            } else if (always(operation)) {
                counters.put(name(operation), new Counter(0, 0, 0, new Latency(0, 0, 0, 0, 0, 0)));
            }
        }
        return counters;
    }

    private static String name(Operation operation) {
        return operation.name().toLowerCase(Locale.ROOT);
    }

    private static boolean always(Operation operation) {
        return operation == Operation.READ || operation == Operation.WRITE;
    }

    private static Latency micros(Histogram h) {
        return new Latency(
                h.getMean() / 1000,
                h.getValueAtPercentile(50) / 1000.0,
                h.getValueAtPercentile(90) / 1000.0,
                h.getValueAtPercentile(99) / 1000.0,
                h.getValueAtPercentile(99.9) / 1000.0,
                h.getMaxValue() / 1000.0);
    }

    /**
     * The counters of one operation.
     *
     * @param operation its name, as in {@link #snapshot}
     * @param seconds from taking a request to its end, for all that have ended
     */
    public record Total(String operation, long bytes, long errors, Distribution seconds) {}

    /**
     * Returns the counters of the same operations as {@link #snapshot}. What ends meanwhile may be in some of them and
     * not in others; none ever becomes smaller. Any thread.
     */
    public List<Total> totals() {
        List<Total> totals = new ArrayList<>();
        for (Operation operation : Operation.values()) {
            int kind = operation.ordinal();
            Histogram histogram = latency.getAcquire(kind);
            if (histogram != null || always(operation)) {
                Distribution seconds = histogram == null
                        ? new Distribution(new double[0], new long[0], 0)
                        : seconds(histogram, nanos.getOpaque(kind));
                totals.add(new Total(name(operation), bytes.getOpaque(kind), errors.getOpaque(kind), seconds));
            }
        }
        return totals;
    }

    /** Reads a histogram while the loop counts: each of its counts is one long, which is never seen half-written. */
    private static Distribution seconds(Histogram histogram, long sumNanos) {
        long[] values = Ranges.GREATEST_NANOS;
        double[] bounds = new double[values.length];
        long[] counts = new long[values.length];
        int used = 0;
        long max = histogram.getMaxValue();
        for (int i = 0; i < values.length && (i == 0 || values[i - 1] < max); i++) {
            long count = histogram.getCountAtValue(values[i]);
            if (count != 0) {
                bounds[used] = values[i] / SECOND_NANOS;
                counts[used++] = count;
            }
        }
        return new Distribution(Arrays.copyOf(bounds, used), Arrays.copyOf(counts, used), sumNanos / SECOND_NANOS);
    }

    /** The ranges that the histograms tell apart; made when they are first asked for. */
    private static final class Ranges {
        static final long[] GREATEST_NANOS = greatest();

        private static long[] greatest() {
            Histogram shape = newHistogram();
            List<Long> all = new ArrayList<>();
            for (long value = 0; value <= HIGHEST_NANOS; value = shape.nextNonEquivalentValue(value)) {
                all.add(shape.highestEquivalentValue(value));
            }
            return all.stream().mapToLong(Long::longValue).toArray();
        }
    }
}
