package org.blktap.filter.throttle;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;

/**
 * The limits of one disk or group. Immutable.
 *
 * @param rates per second by {@link Limit}; 0 for none
 * @param bursts per second by limit; 0 for none
 * @param burstSeconds how long a burst lasts
 * @param iopsSize bytes for which a request counts as one operation; 0 to count each request once
 */
record Limits(double[] rates, double[] bursts, int burstSeconds, long iopsSize) {
    private static final int MOST_IOPS = 1_000_000_000;
    private static final long MOST_BYTES = 1L << 50;
    private static final int MOST_SECONDS = 86_400;
    private static final int COUNT = Limit.ALL.length;

    static Limits of(Options options) throws DiskException {
        double[] rates = new double[COUNT];
        double[] bursts = new double[COUNT];
        for (Limit each : Limit.ALL) {
            rates[each.ordinal()] = rate(options, each, each.key);
            bursts[each.ordinal()] = rate(options, each, each.key + "-burst");
        }
        for (Limit each : Limit.ALL) {
            double burst = bursts[each.ordinal()];
            if (burst != 0 && (rates[each.ordinal()] == 0 || burst < rates[each.ordinal()])) {
                throw Options.bad(
                        each.key + "-burst",
                        options.text(each.key + "-burst", ""),
                        "at least the value of " + each.key + ", which must be there");
            }
        }
        return new Limits(
                rates,
                bursts,
                options.number("burst-seconds", 1, 1, MOST_SECONDS),
                options.size("iops-size", 0, 0, MOST_BYTES));
    }

    private static double rate(Options options, Limit limit, String key) throws DiskException {
        return limit.bytes ? options.size(key, 0, 0, MOST_BYTES) : options.number(key, 0, 0, MOST_IOPS);
    }

    /** Returns the lower of each limit; a burst is taken together with its rate. */
    Limits lower(Limits other) {
        double[] lowest = rates.clone();
        double[] itsBurst = bursts.clone();
        for (int i = 0; i < COUNT; i++) {
            if (other.rates[i] != 0 && (lowest[i] == 0 || other.rates[i] < lowest[i])) {
                lowest[i] = other.rates[i];
                itsBurst[i] = other.bursts[i];
            }
        }
        long size =
                iopsSize == 0 ? other.iopsSize : other.iopsSize == 0 ? iopsSize : Math.min(iopsSize, other.iopsSize);
        int seconds = !hasBursts()
                ? other.burstSeconds
                : !other.hasBursts() ? burstSeconds : Math.min(burstSeconds, other.burstSeconds);
        return new Limits(lowest, itsBurst, seconds, size);
    }

    private boolean hasBursts() {
        return Arrays.stream(bursts).anyMatch(each -> each != 0);
    }

    boolean has(int limit) {
        return rates[limit] != 0;
    }

    /**
     * Tokens that a full bucket has for a burst: at the burst's rate, these and the tokens that come meanwhile last
     * {@code burstSeconds}.
     */
    double savedForBurst(int limit) {
        return bursts[limit] == 0 ? 0 : (bursts[limit] - rates[limit]) * burstSeconds;
    }

    /** Returns the rates as text for people: {@code iops 2000, bps 10M}. */
    String text() {
        Map<String, String> all = new LinkedHashMap<>();
        for (Limit each : Limit.ALL) {
            if (has(each.ordinal())) {
                String burst = bursts[each.ordinal()] == 0 ? "" : " (burst " + number(each, bursts) + ")";
                all.put(each.key, number(each, rates) + burst);
            }
        }
        return all.isEmpty() ? "none" : all.toString().replaceAll("[{}]", "").replace('=', ' ');
    }

    private static String number(Limit limit, double[] of) {
        long value = (long) of[limit.ordinal()];
        return limit.bytes ? Options.sizeText(value) : Long.toString(value);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Limits that
                && Arrays.equals(rates, that.rates)
                && Arrays.equals(bursts, that.bursts)
                && burstSeconds == that.burstSeconds
                && iopsSize == that.iopsSize;
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(rates);
    }
}
