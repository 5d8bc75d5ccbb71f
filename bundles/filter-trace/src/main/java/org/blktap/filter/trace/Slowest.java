package org.blktap.filter.trace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** A bounded list of the slowest requests. Only a request that enters the list allocates. Loop only. */
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

    /** Returns the list, the slowest request first. */
    List<Slow> list() {
        List<Slow> sorted = new ArrayList<>(all);
        sorted.sort(Comparator.comparingLong(Slow::totalNanos).reversed());
        return sorted;
    }
}
