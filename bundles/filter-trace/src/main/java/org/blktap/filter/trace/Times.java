package org.blktap.filter.trace;

/**
 * A histogram of times with four buckets for each power of two, so that values are accurate to an eighth. One thread.
 */
final class Times {
    private static final int BITS = 2;
    private static final int PARTS = 1 << BITS;

    private final long[] counts = new long[Long.SIZE * PARTS];
    private long count;
    private long sum;
    private long most;

    void add(long nanos) {
        long value = Math.max(0, nanos);
        counts[bucket(value)]++;
        count++;
        sum += value;
        most = Math.max(most, value);
    }

    private static int bucket(long value) {
        if (value < PARTS) {
            return (int) value;
        }
        int power = Long.SIZE - 1 - Long.numberOfLeadingZeros(value);
        return power * PARTS + (int) (value >>> power - BITS & PARTS - 1);
    }

    /** Returns the middle of a bucket. */
    private static long value(int bucket) {
        if (bucket < PARTS) {
            return bucket;
        }
        int power = bucket / PARTS;
        long width = 1L << power - BITS;
        return (1L << power) + (bucket % PARTS) * width + width / 2;
    }

    long count() {
        return count;
    }

    double mean() {
        return count == 0 ? 0 : (double) sum / count;
    }

    long sum() {
        return sum;
    }

    long most() {
        return most;
    }

    /** @param part 0 to 1 */
    long percentile(double part) {
        long left = (long) Math.ceil(count * part);
        for (int i = 0; i < counts.length; i++) {
            left -= counts[i];
            if (left <= 0 && counts[i] != 0) {
                return Math.min(most, value(i));
            }
        }
        return most;
    }
}
