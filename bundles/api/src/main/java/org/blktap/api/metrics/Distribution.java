package org.blktap.api.metrics;

/**
 * How often values occurred in each of some ranges. The arrays are not changed after they were given.
 *
 * @param bounds the greatest value of each range, ascending; ranges without values can be left out
 * @param counts the number of values in each range
 * @param sum of all values
 */
public record Distribution(double[] bounds, long[] counts, double sum) {
    public Distribution {
        if (bounds.length != counts.length) {
            throw new IllegalArgumentException(bounds.length + " bounds, but " + counts.length + " counts");
        }
    }

    /** The number of all values. */
    public long count() {
        long all = 0;
        for (long each : counts) {
            all += each;
        }
        return all;
    }
}
