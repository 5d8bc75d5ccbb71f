package org.blktap.filter.trace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** The slowest requests, so many at most. Only one that is among them allocates. Loop only. */
final class Slowest {
    private final int most;
    private final PriorityQueue<Slow> all = new PriorityQueue<>(Comparator.comparingLong(Slow::totalNanos));

    Slowest(int most) {
        this.most = most;
    }

    void add(TracedRequest request, int error, long totalNanos) {
        if (all.size() == most) {
            if (all.peek().totalNanos() >= totalNanos) {
                return;
            }
            all.poll();
        }
        all.add(new Slow(
                request.operation(),
                request.offset(),
                request.length(),
                error,
                System.currentTimeMillis(),
                request.before,
                totalNanos,
                request.nanos.clone()));
    }

    /** The slowest first. */
    List<Slow> list() {
        List<Slow> sorted = new ArrayList<>(all);
        sorted.sort(Comparator.comparingLong(Slow::totalNanos).reversed());
        return sorted;
    }
}
