package org.blktap.filter.throttle;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Disks that share one set of limits. Each member has buckets of its own, with a share of each rate, so that no request
 * takes a lock; the shares follow what the members use. Members that use less than an equal share of a rate get what
 * they use; members with waiting requests share the rest equally (max-min fairness). Thread-safe.
 */
final class Group {
    /** The least time between two assignments of shares by members that begin to wait. */
    private static final long SOON_NANOS = 20_000_000;
    /** The time between two assignments of shares while members wait. */
    private static final long LATER_NANOS = 50_000_000;
    /** Factor by which the share of a member exceeds what it has used, so that its use can grow. */
    private static final double HEADROOM = 1.25;
    /** The part of a rate that is divided among all members in any case, so that an idle member can begin. */
    private static final double FLOOR = 0.02;

    private static final int COUNT = Limit.ALL.length;

    private final String name;
    private final Map<ThrottledDisk, Limits> members = new LinkedHashMap<>();
    private Limits limits;
    private volatile long balancedNanos;

    Group(String name) {
        this.name = name;
    }

    String name() {
        return name;
    }

    /** Adds a member, or changes the limits that it asks for. The lowest limits of all members are in force. */
    synchronized void join(ThrottledDisk member, Limits asked, long nowNanos) {
        members.put(member, asked);
        limits = members.values().stream().reduce(Limits::lower).orElseThrow();
        share(nowNanos);
    }

    /** Removes a member. Returns whether none is left. */
    synchronized boolean leave(ThrottledDisk member, long nowNanos) {
        members.remove(member);
        if (members.isEmpty()) {
            return true;
        }
        limits = members.values().stream().reduce(Limits::lower).orElseThrow();
        share(nowNanos);
        return false;
    }

    synchronized int size() {
        return members.size();
    }

    synchronized Limits limits() {
        return limits;
    }

    /**
     * Assigns the shares anew if that is due.
     *
     * @param begins whether the caller has only begun to wait
     */
    void balance(boolean begins, long nowNanos) {
        if (nowNanos - balancedNanos >= (begins ? SOON_NANOS : LATER_NANOS)) {
            synchronized (this) {
                if (nowNanos - balancedNanos >= (begins ? SOON_NANOS : LATER_NANOS)) {
                    share(nowNanos);
                }
            }
        }
    }

    private void share(long nowNanos) {
        // members' loops turn independently, and their times differ a little
        double seconds = Math.max(1_000_000, nowNanos - balancedNanos) / 1e9;
        balancedNanos = nowNanos;
        ThrottledDisk[] all = members.keySet().toArray(ThrottledDisk[]::new);
        double[][] shares = new double[all.length][COUNT];
        for (int limit = 0; limit < COUNT; limit++) {
            double floor = limits.rates()[limit] * FLOOR / all.length;
            double[] wanted = new double[all.length];
            for (int i = 0; i < all.length; i++) {
                double used = all[i].usage().rate(limit, seconds) * HEADROOM + floor;
                wanted[i] = all[i].usage().waited(limit) ? Double.POSITIVE_INFINITY : used;
            }
            double[] shared = maxMin(wanted, limits.rates()[limit]);
            for (int i = 0; i < all.length; i++) {
                shares[i][limit] = limits.rates()[limit] == 0 ? 0 : shared[i] / limits.rates()[limit];
            }
        }
        for (int i = 0; i < all.length; i++) {
            all[i].assign(limits, shares[i], all.length);
        }
    }

    /**
     * Divides a sum so that no member gets more than it wants while another gets less than it wants. A remainder that
     * nobody wants is divided, too.
     */
    static double[] maxMin(double[] wanted, double sum) {
        Integer[] order = new Integer[wanted.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, (a, b) -> Double.compare(wanted[a], wanted[b]));
        double[] given = new double[wanted.length];
        double left = sum;
        for (int i = 0; i < order.length; i++) {
            given[order[i]] = Math.min(wanted[order[i]], left / (order.length - i));
            left -= given[order[i]];
        }
        for (int i = 0; i < given.length; i++) {
            given[i] += Math.max(0, left) / given.length;
        }
        return given;
    }
}
