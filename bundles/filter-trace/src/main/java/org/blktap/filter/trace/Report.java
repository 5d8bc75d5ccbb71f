package org.blktap.filter.trace;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.blktap.api.disk.Operation;

/**
 * The figures that {@code why} shows, or prints as JSON; times in microseconds.
 *
 * @param sinceMillis when measuring began, {@link System#currentTimeMillis}
 * @param filters of the attachment, from the disk to the nodes
 * @param operations by name in lower case: each stretch of time, and {@code total}
 * @param slowest the slowest first
 */
record Report(
        String id,
        long sinceMillis,
        int inFlight,
        List<String> filters,
        Map<String, Map<String, Summary>> operations,
        List<Request> slowest) {

    record Summary(long count, double mean, double p50, double p99, double max) {}

    /** @param stretches by name, microseconds */
    record Request(
            String operation,
            long offset,
            long length,
            int error,
            long endedMillis,
            int inFlight,
            double total,
            Map<String, Double> stretches) {}

    private static final double MICROS = 1000.0;

    /** Copies a measurement. On the disk's loop. */
    static Report of(String id, List<String> filters, TracedDisk.Measurement measured) {
        Map<String, Map<String, Summary>> operations = new LinkedHashMap<>();
        measured.times().forEach((operation, times) -> {
            Map<String, Summary> of = new LinkedHashMap<>();
            for (Stretch each : Stretch.ALL) {
                of.put(each.label, summary(times[1 + each.ordinal()]));
            }
            of.put("total", summary(times[0]));
            operations.put(name(operation), of);
        });
        List<Request> slowest = new ArrayList<>();
        for (Slow each : measured.slowest()) {
            Map<String, Double> stretches = new LinkedHashMap<>();
            for (Stretch stretch : Stretch.ALL) {
                stretches.put(stretch.label, each.nanos()[stretch.ordinal()] / MICROS);
            }
            slowest.add(new Request(
                    name(each.operation()),
                    each.offset(),
                    each.length(),
                    each.error(),
                    each.endedMillis(),
                    each.inFlight(),
                    each.totalNanos() / MICROS,
                    stretches));
        }
        return new Report(id, measured.sinceMillis(), measured.inFlight(), filters, operations, slowest);
    }

    static String name(Operation operation) {
        return operation.name().toLowerCase(Locale.ROOT);
    }

    private static Summary summary(Times times) {
        return new Summary(
                times.count(),
                times.mean() / MICROS,
                times.percentile(0.5) / MICROS,
                times.percentile(0.99) / MICROS,
                times.most() / MICROS);
    }

    /** Returns the part of each stretch in the time of the slowest requests, 0 to 1. */
    Map<Stretch, Double> parts() {
        Map<Stretch, Double> parts = new LinkedHashMap<>();
        double all = slowest.stream().mapToDouble(Request::total).sum();
        for (Stretch each : Stretch.ALL) {
            double part = slowest.stream()
                    .mapToDouble(request -> request.stretches().get(each.label))
                    .sum();
            parts.put(each, all == 0 ? 0 : part / all);
        }
        return parts;
    }

    /** Returns sentences that say where the slowest requests were, the longest stretch first. */
    List<String> words() {
        if (slowest.isEmpty()) {
            return List.of(id + ": no request has ended since the trace began");
        }
        List<String> lines = new ArrayList<>();
        lines.add(String.format(
                Locale.ROOT,
                "%s: the slowest %d requests took %.1f to %.1f ms. Of this time they were",
                id,
                slowest.size(),
                slowest.get(slowest.size() - 1).total() / MICROS,
                slowest.get(0).total() / MICROS));
        parts().entrySet().stream()
                .sorted((a, b) -> Double.compare(b.getValue(), a.getValue()))
                .filter(each -> each.getValue() >= 0.005)
                .forEach(each -> lines.add(
                        String.format(Locale.ROOT, "  %3.0f %% %s", each.getValue() * 100, where(each.getKey()))));
        return lines;
    }

    private String where(Stretch stretch) {
        int place = place();
        List<String> others = stretch == Stretch.ABOVE
                ? filters.subList(Math.min(filters.size(), place + 1), filters.size())
                : stretch == Stretch.FORMAT ? filters.subList(0, place) : List.of();
        return stretch.words + (others.isEmpty() ? "" : " (" + String.join(", ", others) + ")");
    }

    /** Returns the place of this filter among the others. */
    private int place() {
        for (int i = 0; i < filters.size(); i++) {
            if (filters.get(i).equals(TraceFilter.TYPE) || filters.get(i).startsWith(TraceFilter.TYPE + ",")) {
                return i;
            }
        }
        return 0;
    }
}
