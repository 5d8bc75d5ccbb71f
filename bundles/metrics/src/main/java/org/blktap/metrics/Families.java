package org.blktap.metrics;

import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.CounterSnapshot.CounterDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.DataPointSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot.GaugeDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricMetadata;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import io.prometheus.metrics.model.snapshots.UnknownSnapshot;
import io.prometheus.metrics.model.snapshots.UnknownSnapshot.UnknownDataPointSnapshot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.metrics.Samples.Kind;
import org.blktap.metrics.Samples.Sample;

/**
 * The figures of all sources by name, as the library needs them. Of figures with the same name and labels, or with one
 * name and different kinds, which the library refuses, the first is kept. One thread.
 */
final class Families {
    private final Map<String, Family> families = new HashMap<>();
    private final List<MetricSnapshot> others = new ArrayList<>();

    private record Family(Kind kind, String help, Set<Labels> labels, List<DataPointSnapshot> points) {}

    /** Returns the name of a figure that cannot be shown, or null. */
    String add(Samples samples) {
        String refused = null;
        for (Sample each : samples.all()) {
            Family family = families.computeIfAbsent(
                    each.name(), name -> new Family(each.kind(), each.help(), new HashSet<>(), new ArrayList<>()));
            if (family.kind() == each.kind() && family.labels().add(each.labels())) {
                family.points().add(point(each));
            } else {
                refused = each.name();
            }
        }
        return refused;
    }

    /** Adds a family that the library has made. */
    void add(MetricSnapshot other) {
        others.add(other);
    }

    private static DataPointSnapshot point(Sample each) {
        return switch (each.kind()) {
            case COUNTER -> new CounterDataPointSnapshot(each.value(), each.labels(), null, 0);
            case GAUGE -> new GaugeDataPointSnapshot(each.value(), each.labels(), null);
            case UNKNOWN -> new UnknownDataPointSnapshot(each.value(), each.labels(), null);
            case HISTOGRAM -> Buckets.of(each.values(), each.labels());
        };
    }

    MetricSnapshots all() {
        List<MetricSnapshot> all = new ArrayList<>(others);
        families.forEach((name, family) -> all.add(snapshot(new MetricMetadata(name, family.help()), family)));
        return new MetricSnapshots(all);
    }

    private static MetricSnapshot snapshot(MetricMetadata name, Family family) {
        return switch (family.kind()) {
            case COUNTER -> new CounterSnapshot(name, points(family, CounterDataPointSnapshot.class));
            case GAUGE -> new GaugeSnapshot(name, points(family, GaugeDataPointSnapshot.class));
            case UNKNOWN -> new UnknownSnapshot(name, points(family, UnknownDataPointSnapshot.class));
            case HISTOGRAM -> new HistogramSnapshot(name, points(family, HistogramDataPointSnapshot.class));
        };
    }

    private static <T> List<T> points(Family family, Class<T> type) {
        return family.points().stream().map(type::cast).toList();
    }
}
