package org.blktap.filter.fault;

import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.PassThroughDisk;

/**
 * A disk that fails and delays requests. Loop only. It allocates for delayed requests, since speed does not matter
 * here.
 */
final class FaultyDisk extends PassThroughDisk {
    private final IoLoop loop;
    private final ArrayDeque<Delayed> delayed = new ArrayDeque<>();
    private final long begunNanos;
    private Faults faults;
    private SplittableRandom random;
    private IoLoop.Timer timer;
    private boolean draining;

    private long errorsLeft;
    private long errors;
    private long delays;
    private long outages;

    private record Delayed(Request request, long dueNanos) {}

    FaultyDisk(VirtualDisk below, IoLoop loop, Faults faults) {
        super(below);
        this.loop = loop;
        begunNanos = loop.nanoTime();
        apply(faults);
    }

    private void apply(Faults now) {
        faults = now;
        errorsLeft = now.most();
        random = now.seed() == 0 ? new SplittableRandom() : new SplittableRandom(now.seed());
    }

    @Override
    public void submit(Request request) {
        if (isOut()) {
            outages++;
            request.complete(faults.error());
        } else if (!faults.concerns(request)) {
            below().submit(request);
        } else if (errorsLeft > 0 && random.nextDouble() < faults.errors()) {
            errorsLeft--;
            errors++;
            request.complete(faults.error());
        } else if (!draining && faults.delayMillis() > 0 && random.nextDouble() < faults.delays()) {
            delays++;
            delayed.add(new Delayed(request, loop.nanoTime() + TimeUnit.MILLISECONDS.toNanos(faults.delayMillis())));
            if (timer == null) {
                timer = loop.schedule(this::due, faults.delayMillis());
            }
        } else {
            below().submit(request);
        }
    }

    /** Whether there is an outage, in which all requests fail, whatever their range and operation. */
    private boolean isOut() {
        return faults.isOut(TimeUnit.NANOSECONDS.toMillis(loop.nanoTime() - begunNanos));
    }

    private void due() {
        timer = null;
        long now = loop.nanoTime();
        while (!delayed.isEmpty() && (draining || delayed.peek().dueNanos() <= now)) {
            passFirst();
        }
        if (!delayed.isEmpty() && timer == null) {
            long left = delayed.peek().dueNanos() - now;
            timer = loop.schedule(this::due, TimeUnit.NANOSECONDS.toMillis(left) + 1);
        }
    }

    private void passFirst() {
        Request request = delayed.poll().request();
        if (isOut()) {
            outages++;
            request.complete(faults.error());
        } else {
            below().submit(request);
        }
    }

    @Override
    public void draining(boolean begins) {
        draining = begins;
        while (begins && !delayed.isEmpty()) {
            passFirst();
        }
        super.draining(begins);
    }

    @Override
    public boolean set(Options options) throws DiskException {
        apply(Faults.of(options));
        return true;
    }

    @Override
    public Map<String, ?> stats() {
        Map<String, Object> stats = new LinkedHashMap<>();
        stats.put("errors", errors);
        stats.put("delayed", delays);
        stats.put("failed in outages", outages);
        stats.put("waiting", delayed.size());
        return stats;
    }

    @Override
    public void close() {
        if (timer != null) {
            timer.cancel();
        }
    }
}
