package org.blktap.filter.throttle;

import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.PassThroughDisk;

/**
 * A disk whose requests pass as its limits allow. Reads and writes wait in one queue each, in order; one timer wakes
 * the first request. Loop only, except where noted.
 */
final class ThrottledDisk extends PassThroughDisk {
    private static final int READ = 0;
    private static final int WRITE = 1;
    /** How long a member of a group waits at most before it looks whether its shares have changed. */
    private static final double LONGEST_WAIT_NANOS = 50e6;

    private final Groups groups;
    private final IoLoop loop;
    private final Bucket[] buckets = new Bucket[Limit.ALL.length];
    private final Usage usage = new Usage();
    /** Waiting requests: reads, and operations that change the disk. */
    private final Queue[] queues = {new Queue(), new Queue()};

    private Group group;
    private Limits limits;
    /** The shares that a group has assigned, and those of them that are in force. */
    private volatile Assigned assigned;

    private Assigned applied;
    private IoLoop.Timer timer;
    private long timerNanos;
    private boolean draining;
    /** The queue that was served last, when both can be served. */
    private int turn;

    private long delayed;
    private long waitedNanos;

    private record Assigned(Limits limits, double[] shares, int members) {}

    /** Requests in order, with the times at which they came; grows as needed, and is reused. */
    private static final class Queue {
        private final ArrayDeque<Request> requests = new ArrayDeque<>();
        private long[] since = new long[16];
        private int first;

        void add(Request request, long nanos) {
            if (requests.size() == since.length) {
                long[] larger = new long[2 * since.length];
                for (int i = 0; i < since.length; i++) {
                    larger[i] = since[(first + i) % since.length];
                }
                since = larger;
                first = 0;
            }
            since[(first + requests.size()) % since.length] = nanos;
            requests.add(request);
        }

        long firstSince() {
            return since[first];
        }

        Request poll() {
            first = (first + 1) % since.length;
            return requests.poll();
        }
    }

    ThrottledDisk(VirtualDisk below, IoLoop loop, Groups groups, Settings settings) {
        super(below);
        this.loop = loop;
        this.groups = groups;
        long nowNanos = loop.nanoTime();
        for (int i = 0; i < buckets.length; i++) {
            buckets[i] = new Bucket(nowNanos);
        }
        apply(settings, nowNanos);
    }

    private void apply(Settings settings, long nowNanos) {
        // leaves first, since the group must not assign anything afterwards
        if (group != null && !group.name().equals(settings.group())) {
            groups.leave(group, this, nowNanos);
        }
        group = settings.group().isEmpty() ? null : groups.join(settings.group(), this, settings.limits(), nowNanos);
        if (group == null) {
            assigned = null;
            applied = null;
            limit(settings.limits(), null, 1, nowNanos);
        } else {
            follow(nowNanos);
        }
    }

    private void limit(Limits now, double[] shares, int members, long nowNanos) {
        limits = now;
        for (int i = 0; i < buckets.length; i++) {
            double share = shares == null ? 1 : shares[i];
            // an equal part, whatever the share is at the moment, so that saved tokens are not lost with the share
            double saved = now.savedForBurst(i) / members;
            buckets[i].limit(now.rates()[i] * share, now.bursts()[i] * share, saved, nowNanos);
        }
    }

    // ---- as a member of a group

    Usage usage() {
        return usage;
    }

    /** Sets limits and the part of each that this disk has, from its next request on. Any thread. */
    void assign(Limits groups, double[] shares, int members) {
        assigned = new Assigned(groups, shares, members);
    }

    private void follow(long nowNanos) {
        Assigned latest = assigned;
        if (latest != applied) {
            applied = latest;
            limit(latest.limits(), latest.shares(), latest.members(), nowNanos);
        }
    }

    // ---- requests

    @Override
    public void submit(Request request) {
        Operation operation = request.operation();
        if (!Limit.counts(operation) || request.length() == 0) {
            below().submit(request);
            return;
        }
        int kind = operation == Operation.READ ? READ : WRITE;
        long now = loop.nanoTime();
        if (group != null) {
            follow(now);
        }
        if (draining || queues[kind].requests.isEmpty() && passes(kind, now)) {
            pass(request, kind);
            return;
        }
        queues[kind].add(request, now);
        delayed++;
        if (group != null) {
            noteWaiting();
            group.balance(true, now);
            follow(now);
        }
        wakeUp(now);
    }

    /** Whether the first request of a queue may pass. */
    private boolean passes(int kind, long now) {
        for (int i = 0; i < buckets.length; i++) {
            if (limits.has(i) && Limit.ALL[i].appliesTo(kind == WRITE)) {
                buckets[i].refill(now);
                if (!buckets[i].passes()) {
                    return false;
                }
            }
        }
        return true;
    }

    private void pass(Request request, int kind) {
        for (int i = 0; i < buckets.length; i++) {
            if (limits.has(i) && Limit.ALL[i].appliesTo(kind == WRITE)) {
                double cost = cost(request, Limit.ALL[i].bytes);
                buckets[i].take(cost);
                if (group != null) {
                    usage.add(i, cost);
                }
            }
        }
        below().submit(request);
    }

    /** Returns the cost of a request. A discard moves no data: it costs one operation, and no bytes. */
    private double cost(Request request, boolean bytes) {
        boolean discard = request.operation() == Operation.DISCARD;
        if (bytes) {
            return discard ? 0 : request.length();
        }
        return discard || limits.iopsSize() == 0 ? 1 : (request.length() + limits.iopsSize() - 1) / limits.iopsSize();
    }

    /** Passes the requests that may pass, alternately from both queues, and sets the timer for the rest. */
    private void serve() {
        timer = null;
        long now = loop.nanoTime();
        if (group != null) {
            group.balance(false, now);
            follow(now);
        }
        while (passOne(1 - turn, now) || passOne(turn, now)) {
            // each pass is the work
        }
        if (group != null) {
            noteWaiting();
        }
        wakeUp(now);
    }

    private boolean passOne(int kind, long now) {
        if (queues[kind].requests.isEmpty() || !draining && !passes(kind, now)) {
            return false;
        }
        turn = kind;
        waitedNanos += now - queues[kind].firstSince();
        pass(queues[kind].poll(), kind);
        return true;
    }

    private void wakeUp(long now) {
        double wait = Math.min(waitNanos(READ, now), waitNanos(WRITE, now));
        if (wait == Double.MAX_VALUE) {
            return;
        }
        if (group != null) {
            wait = Math.min(wait, LONGEST_WAIT_NANOS);
        }
        long at = now + (long) Math.min(wait, TimeUnit.HOURS.toNanos(1));
        if (timer != null) {
            if (timerNanos <= at) {
                return;
            }
            timer.cancel();
        }
        timerNanos = at;
        timer = loop.schedule(this::serve, (at - now) / 1_000_000 + 1);
    }

    private double waitNanos(int kind, long now) {
        if (queues[kind].requests.isEmpty()) {
            return Double.MAX_VALUE;
        }
        double wait = 0;
        for (int i = 0; i < buckets.length; i++) {
            if (limits.has(i) && Limit.ALL[i].appliesTo(kind == WRITE)) {
                buckets[i].refill(now);
                wait = Math.max(wait, buckets[i].waitNanos());
            }
        }
        return wait;
    }

    /** Tells the group which limits hold requests up. */
    private void noteWaiting() {
        for (int i = 0; i < buckets.length; i++) {
            usage.waits(i, holdsUp(i));
        }
    }

    private boolean holdsUp(int i) {
        return limits.has(i)
                && !buckets[i].passes()
                && (Limit.ALL[i].appliesTo(false) && !queues[READ].requests.isEmpty()
                        || Limit.ALL[i].appliesTo(true) && !queues[WRITE].requests.isEmpty());
    }

    /**
     * {@inheritDoc} Passes waiting requests at once, and charges them: a debt that the disk pays off if it stays open.
     */
    @Override
    public void draining(boolean begins) {
        draining = begins;
        if (begins) {
            long now = loop.nanoTime();
            while (passOne(READ, now) || passOne(WRITE, now)) {
                // each pass is the work
            }
            if (timer != null) {
                timer.cancel();
                timer = null;
            }
        }
        super.draining(begins);
    }

    // ---- control

    @Override
    public boolean set(Options options) throws DiskException {
        Settings settings = Settings.of(options);
        apply(settings, loop.nanoTime());
        if (timer != null) {
            timer.cancel();
        }
        serve();
        return true;
    }

    @Override
    public Map<String, ?> stats() {
        long now = loop.nanoTime();
        if (group != null) {
            follow(now);
        }
        Map<String, Object> stats = new LinkedHashMap<>();
        stats.put("limits", limits.text());
        if (group != null) {
            stats.put("group", group.name());
            stats.put("members", group.size());
        }
        int waiting = queues[READ].requests.size() + queues[WRITE].requests.size();
        stats.put("waiting", waiting);
        if (waiting != 0) {
            StringBuilder why = new StringBuilder();
            for (int i = 0; i < buckets.length; i++) {
                buckets[i].refill(now);
                if (holdsUp(i)) {
                    why.append(why.isEmpty() ? "" : " and ").append(Limit.ALL[i].key);
                }
            }
            stats.put("waiting for", why.isEmpty() ? "its turn" : why.toString());
        }
        stats.put("delayed", delayed);
        stats.put("delayed ms", TimeUnit.NANOSECONDS.toMillis(waitedNanos));
        return stats;
    }

    @Override
    public void close() {
        if (timer != null) {
            timer.cancel();
            timer = null;
        }
        if (group != null) {
            groups.leave(group, this, loop.nanoTime());
            group = null;
        }
    }
}
