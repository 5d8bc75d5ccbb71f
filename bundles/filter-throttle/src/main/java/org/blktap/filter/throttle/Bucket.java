package org.blktap.filter.throttle;

/**
 * A token bucket for one limit. A request may pass while there are tokens, and then takes its cost, which may leave a
 * debt: so a request that is larger than the bucket passes too, and the average rate is exact. One thread.
 */
final class Bucket {
    private static final double NANOS = 1e9;
    /** A bucket without a burst holds the tokens of this time, so that a loop whose turn is late loses none. */
    private static final double SLACK_SECONDS = 0.1;

    private double rate;
    /** The most tokens; unlimited until the first limit is set, so that the bucket begins full. */
    private double capacity = Double.MAX_VALUE;

    private double tokens = Double.MAX_VALUE;
    /** The rate during a burst; 0 if there is none. */
    private double burstRate;

    private double burstCapacity = Double.MAX_VALUE;
    private double burstTokens = Double.MAX_VALUE;
    private long lastNanos;

    Bucket(long nowNanos) {
        lastNanos = nowNanos;
    }

    /**
     * Sets the limit. Tokens beyond the new capacity are lost; a debt stays.
     *
     * @param perSecond tokens a second
     * @param burst tokens a second during a burst, or 0
     * @param saved tokens that are saved up for a burst, or 0
     */
    void limit(double perSecond, double burst, double saved, long nowNanos) {
        refill(nowNanos);
        rate = perSecond;
        burstRate = burst;
        capacity = Math.max(perSecond * SLACK_SECONDS, saved);
        burstCapacity = burstRate * SLACK_SECONDS;
        tokens = Math.min(tokens, capacity);
        burstTokens = Math.min(burstTokens, burstCapacity);
    }

    void refill(long nowNanos) {
        double seconds = Math.max(0, nowNanos - lastNanos) / NANOS;
        lastNanos = nowNanos;
        tokens = Math.min(capacity, tokens + rate * seconds);
        burstTokens = Math.min(burstCapacity, burstTokens + burstRate * seconds);
    }

    /** Whether a request may pass; after {@link #refill}. */
    boolean passes() {
        return tokens > 0 && (burstRate == 0 || burstTokens > 0);
    }

    void take(double cost) {
        tokens -= cost;
        if (burstRate != 0) {
            burstTokens -= cost;
        }
    }

    /** Nanoseconds until a request may pass; after {@link #refill}. */
    double waitNanos() {
        double wait = tokens > 0 ? 0 : -tokens / rate * NANOS + 1;
        if (burstRate != 0 && burstTokens <= 0) {
            wait = Math.max(wait, -burstTokens / burstRate * NANOS + 1);
        }
        return wait;
    }
}
