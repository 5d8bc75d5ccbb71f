package org.blktap.metrics;

import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.Exemplars;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.NativeHistogramBuckets;
import java.util.Arrays;
import org.blktap.api.metrics.Distribution;

/**
 * A distribution as a histogram of Prometheus, in both kinds: classic, with a few fixed bounds, and native, with eight
 * buckets for each power of two. Each range of the distribution counts as its greatest value.
 */
final class Buckets {
    /** Bounds in seconds: from requests of a fast SSD to requests that a VM gives up. */
    private static final double[] CLASSIC = {
        5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1, 5, 30, Double.POSITIVE_INFINITY
    };

    /** Prometheus' number for the resolution of native buckets: 2 to the power of 3 for each power of two. */
    private static final int SCHEMA = 3;

    private static final int STEPS = 1 << SCHEMA;
    /** Bounds of buckets between 1 and 2. */
    private static final double[] STEP = new double[STEPS];

    /** Values up to this count as zero, as in the library. */
    private static final double ZERO = Math.pow(2, -128);

    static {
        for (int i = 0; i < STEPS; i++) {
            STEP[i] = Math.pow(2, (double) i / STEPS);
        }
    }

    private Buckets() {}

    static HistogramDataPointSnapshot of(Distribution values, Labels labels) {
        double[] bounds = values.bounds();
        long[] counts = values.counts();
        long[] classic = new long[CLASSIC.length];
        int[] indexes = new int[bounds.length];
        long[] inIndex = new long[bounds.length];
        int used = 0;
        int bucket = 0;
        long zeros = 0;
        for (int i = 0; i < bounds.length; i++) {
            while (bounds[i] > CLASSIC[bucket]) {
                bucket++;
            }
            classic[bucket] += counts[i];
            if (bounds[i] <= ZERO) {
                zeros += counts[i];
                continue;
            }
            int index = index(bounds[i]);
            if (used == 0 || indexes[used - 1] != index) {
                indexes[used++] = index;
            }
            inIndex[used - 1] += counts[i];
        }
        return new HistogramDataPointSnapshot(
                ClassicHistogramBuckets.of(CLASSIC, classic),
                SCHEMA,
                zeros,
                ZERO,
                NativeHistogramBuckets.of(Arrays.copyOf(indexes, used), Arrays.copyOf(inIndex, used)),
                NativeHistogramBuckets.EMPTY,
                values.sum(),
                labels,
                Exemplars.EMPTY,
                0);
    }

    /**
     * Returns the native bucket of a value: the least index for which the value is at most 2 to the power of index / 8.
     */
    static int index(double value) {
        int exponent = Math.getExponent(value);
        double mantissa = Math.scalb(value, -exponent);
        int step = 0;
        while (step < STEPS && mantissa > STEP[step]) {
            step++;
        }
        return exponent * STEPS + step;
    }
}
