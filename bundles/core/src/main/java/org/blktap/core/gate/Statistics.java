package org.blktap.core.gate;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.HdrHistogram.Histogram;
import org.blktap.api.control.AttachmentStats.Counter;
import org.blktap.api.control.AttachmentStats.Latency;
import org.blktap.api.disk.Operation;

/** Counters of one gate, by operation. Loop only, so that counting needs no lock. */
public final class Statistics {
    private static final int KINDS = Operation.values().length;
    /** Resolution of a quarter of a microsecond, two digits, up to 1000 s. */
    private static final long LOWEST_NANOS = 256;

    private static final long HIGHEST_NANOS = 1_000_000_000_000L;
    private static final int DIGITS = 2;

    private final long[] bytes = new long[KINDS];
    private final long[] errors = new long[KINDS];
    /** Histograms by operation, made at its first use; the total count is the number of requests. */
    private final Histogram[] latency = new Histogram[KINDS];

    void count(GateRequest request, long nowNanos) {
        int kind = request.operation().ordinal();
        Histogram histogram = latency[kind];
        if (histogram == null) {
            histogram = new Histogram(LOWEST_NANOS, HIGHEST_NANOS, DIGITS);
            latency[kind] = histogram;
        }
        histogram.recordValue(Math.min(HIGHEST_NANOS, Math.max(0, nowNanos - request.takenNanos())));
        bytes[kind] += request.length();
        if (request.error() != 0) {
            errors[kind]++;
        }
    }

    /** Returns the counters of all operations that have occurred; those of reads and writes in any case. */
    public Map<String, Counter> snapshot() {
        Map<String, Counter> counters = new LinkedHashMap<>();
        for (Operation operation : Operation.values()) {
            int kind = operation.ordinal();
            Histogram histogram = latency[kind];
            String name = operation.name().toLowerCase(Locale.ROOT);
            if (histogram != null) {
                counters.put(
                        name, new Counter(histogram.getTotalCount(), bytes[kind], errors[kind], micros(histogram)));
            } else if (operation == Operation.READ || operation == Operation.WRITE) {
                counters.put(name, new Counter(0, 0, 0, new Latency(0, 0, 0, 0, 0, 0)));
            }
        }
        return counters;
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
}
