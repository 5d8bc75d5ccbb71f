package org.blktap.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.NativeHistogramBuckets;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.blktap.api.metrics.Distribution;
import org.junit.jupiter.api.Test;

/** Histograms are what the library makes of the same values. */
class BucketsTest {
    private static Map<Integer, Long> counts(NativeHistogramBuckets buckets) {
        Map<Integer, Long> counts = new TreeMap<>();
        buckets.forEach(each -> counts.put(each.getBucketIndex(), each.getCount()));
        return counts;
    }

    @Test
    void valuesAreInTheBucketsThatTheLibraryPutsThemIn() {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        double[] values = random.doubles(2000)
                .map(each -> Math.pow(10, -7 + 10 * each))
                .sorted()
                .toArray();
        // powers of two are bounds
        for (int i = 0; i < 20; i++) {
            values[i] = Math.pow(2, -21 + i);
        }
        Arrays.sort(values);
        long[] counts = new long[values.length];
        double sum = 0;
        HistogramDataPointSnapshot empty = Buckets.of(new Distribution(new double[0], new long[0], 0), Labels.EMPTY);
        double[] classic = new double[empty.getClassicBuckets().size()];
        for (int i = 0; i < classic.length; i++) {
            classic[i] = empty.getClassicBuckets().getUpperBound(i);
            assertEquals(0, empty.getClassicBuckets().getCount(i));
        }
        Histogram histogram = Histogram.builder()
                .name("test")
                .nativeInitialSchema(3)
                .nativeMaxNumberOfBuckets(0)
                .nativeMinZeroThreshold(0)
                .classicUpperBounds(classic)
                .build();
        for (int i = 0; i < values.length; i++) {
            counts[i] = 1 + i % 3;
            for (int n = 0; n < counts[i]; n++) {
                histogram.observe(values[i]);
                sum += values[i];
            }
        }
        HistogramDataPointSnapshot ours = Buckets.of(new Distribution(values, counts, sum), Labels.EMPTY);
        HistogramDataPointSnapshot theirs = histogram.collect().getDataPoints().get(0);
        String seeded = "seed " + seed;
        assertEquals(theirs.getNativeSchema(), ours.getNativeSchema(), seeded);
        assertEquals(
                counts(theirs.getNativeBucketsForPositiveValues()),
                counts(ours.getNativeBucketsForPositiveValues()),
                seeded);
        for (int i = 0; i < classic.length; i++) {
            assertEquals(
                    theirs.getClassicBuckets().getCount(i),
                    ours.getClassicBuckets().getCount(i),
                    seeded);
        }
        assertEquals(theirs.getCount(), ours.getCount(), seeded);
        assertEquals(theirs.getSum(), ours.getSum(), 1e-6 * sum, seeded);
    }
}
