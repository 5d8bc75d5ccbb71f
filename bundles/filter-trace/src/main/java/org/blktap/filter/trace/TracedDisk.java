package org.blktap.filter.trace;

import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.PassThroughDisk;

/** Measures each request on its way. Loop only. */
final class TracedDisk extends PassThroughDisk {
    private static final int SLOWEST = 32;
    private static final int MOST_SLOWEST = 1000;

    private final FilterContext context;
    private final Runnable closed;
    private final ArrayDeque<TracedRequest> free = new ArrayDeque<>();
    private final Ended ended = this::ended;
    private final FileOperations files = new FileOperations();
    private int most;
    private int inFlight;
    private Map<Operation, Times[]> times;
    private Slowest slowest;
    private long sinceMillis;
    private Recording recording;

    /** Called when a request has ended below. */
    interface Ended {
        void ended(TracedRequest request);
    }

    /**
     * A measurement.
     *
     * @param times by operation: the whole time, then each {@link Stretch}
     */
    record Measurement(long sinceMillis, int inFlight, Map<Operation, Times[]> times, List<Slow> slowest) {}

    /** @param closed called when the filter is closed */
    TracedDisk(VirtualDisk below, FilterContext context, int slowest, Runnable closed) {
        super(below);
        this.context = context;
        this.closed = closed;
        most = slowest;
        reset();
        context.loop().addNode(files);
        context.watchFiles(files);
    }

    static int slowest(Options options) throws DiskException {
        return options.number("slowest", SLOWEST, 1, MOST_SLOWEST);
    }

    /** Forgets what was measured. */
    void reset() {
        times = new EnumMap<>(Operation.class);
        slowest = new Slowest(most);
        sinceMillis = System.currentTimeMillis();
    }

    @Override
    public void submit(Request request) {
        long now = System.nanoTime();
        TracedRequest traced = free.isEmpty() ? new TracedRequest(ended) : free.pop();
        traced.of(request);
        traced.begins(now, inFlight++);
        if (recording != null) {
            recording.add(request.operation(), request.offset(), request.length(), now);
        }
        TracedRequest outer = files.enter(traced);
        try {
            below().submit(traced);
        } finally {
            files.enter(outer);
        }
    }

    private void ended(TracedRequest request) {
        long total = request.ends(System.nanoTime());
        files.ended(request);
        inFlight--;
        int error = request.error();
        Times[] of = times.get(request.operation());
        if (of == null) {
            of = new Times[1 + Stretch.ALL.length];
            for (int i = 0; i < of.length; i++) {
                of[i] = new Times();
            }
            times.put(request.operation(), of);
        }
        of[0].add(total);
        for (int i = 0; i < Stretch.ALL.length; i++) {
            of[1 + i].add(request.nanos[i]);
        }
        slowest.add(request, error, total);
        Request original = request.release();
        free.push(request);
        original.complete(error);
    }

    /** Returns the measurement so far, which the caller reads or copies on the loop. */
    Measurement measured() {
        return new Measurement(sinceMillis, inFlight, times, slowest.list());
    }

    /** Records requests from now on; null if a recording is under way. */
    Recording record() {
        if (recording != null) {
            return null;
        }
        recording = new Recording(System.nanoTime());
        return recording;
    }

    void stopRecording() {
        recording = null;
    }

    FilterContext context() {
        return context;
    }

    @Override
    public boolean set(Options options) throws DiskException {
        most = slowest(options);
        reset();
        return true;
    }

    @Override
    public Map<String, ?> stats() {
        Map<String, Object> stats = new LinkedHashMap<>();
        List<Slow> all = slowest.list();
        stats.put("slowest ms", all.isEmpty() ? 0 : all.get(0).totalNanos() / 1_000_000);
        stats.put("recorded", all.size());
        return stats;
    }

    @Override
    public void close() {
        context.watchFiles(null);
        context.loop().remove(files);
        closed.run();
    }
}
