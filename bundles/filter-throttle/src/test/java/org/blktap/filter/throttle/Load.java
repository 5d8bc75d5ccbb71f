package org.blktap.filter.throttle;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.api.testkit.TimedLoop;

/** A VM that keeps a number of requests in flight at a throttled disk, which takes a millisecond for each. */
final class Load implements VirtualDisk, Request.Completion {
    static final int BLOCK = 4096;

    final PassThroughDisk disk;
    private final TimedLoop loop;
    private final List<Request> idle = new ArrayList<>();
    private Operation operation = Operation.READ;
    private int block = BLOCK;
    private boolean running;
    /** Requests that have completed. */
    long completed;

    /** Operations that the disk below was asked for. */
    final List<Operation> below = new ArrayList<>();

    Load(ThrottleFilter filter, TimedLoop loop, Map<String, String> options) throws DiskException {
        this.loop = loop;
        disk = filter.open(this, TestFilterContext.of("a", loop, null).withOptions(options));
    }

    Load of(Operation what, int bytes) {
        operation = what;
        block = bytes;
        return this;
    }

    /** Begins to keep so many requests in flight. */
    Load start(int depth) {
        running = true;
        for (int i = 0; i < depth; i++) {
            submit();
        }
        return this;
    }

    void stop() {
        running = false;
    }

    /** Submits one request. */
    Request submit() {
        Request request = idle.isEmpty() ? new Request(this, 1) : idle.remove(idle.size() - 1);
        request.data().clear();
        if (operation == Operation.READ || operation == Operation.WRITE) {
            request.data().add(BLOCK, block);
        }
        disk.submit(request.set(operation, 0, operation == Operation.FLUSH ? 0 : block, 0));
        return request;
    }

    @Override
    public void completed(Request request) {
        completed++;
        idle.add(request);
        if (running) {
            submit();
        }
    }

    /** What completes in a time, once a second at least. */
    static long[] during(TimedLoop loop, int seconds, Load... loads) {
        long[] counts = new long[loads.length];
        for (int i = 0; i < loads.length; i++) {
            counts[i] = -loads[i].completed;
        }
        loop.pass(seconds, TimeUnit.SECONDS);
        for (int i = 0; i < loads.length; i++) {
            counts[i] += loads[i].completed;
        }
        return counts;
    }

    @Override
    public DiskInfo info() {
        return DiskInfo.ofSize(1 << 30);
    }

    @Override
    public void submit(Request request) {
        below.add(request.operation());
        loop.schedule(() -> request.complete(0), 1);
    }

    @Override
    public void close() {
        // nothing is open
    }
}
