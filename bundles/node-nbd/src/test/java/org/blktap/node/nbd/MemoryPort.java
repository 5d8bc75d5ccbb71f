package org.blktap.node.nbd;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DiskPort;

/**
 * A disk in memory behind a port, as an engine's stage: it completes requests at once, or a turn or more later and
 * in any order. Runs on one loop.
 */
final class MemoryPort implements DiskPort, LoopStage {
    /** What the tests look at. */
    final List<String> seen = Collections.synchronizedList(new ArrayList<>());
    final NativeBuffer bytes;
    private final Deque<Request> waiting = new ArrayDeque<>();
    private final Random random;
    private volatile DiskInfo info;
    private volatile boolean open = true;
    /** Nothing is recorded while this is set. */
    volatile boolean quiet;
    /** Requests are kept back while this is set. */
    volatile boolean held;
    /** Thrown by submit, if not null. */
    volatile Throwable thrown;
    /** What the next requests end with. */
    volatile int failWith;
    volatile int inFlight;
    volatile int mostInFlight;
    /** From here on it says that it holds zeros, to those who want to know. */
    volatile long zerosFrom = Long.MAX_VALUE;
    /** The length of the runs that a MAP tells, alternating data and holes. */
    volatile long runBytes = 1 << 20;

    /** @param seed of the order of completion, or null to complete at once and record nothing */
    MemoryPort(NativeMemory memory, long size, Long seed) {
        bytes = memory.allocate(size);
        info = DiskInfo.ofSize(size).withBlocks(512, 4096).with(Operation.DISCARD, Operation.WRITE_ZEROES);
        random = seed == null ? null : new Random(seed);
    }

    void info(DiskInfo changed) {
        info = changed;
    }

    void open(boolean opened) {
        open = opened;
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public boolean isOpen() {
        return open;
    }

    @Override
    public Request newRequest(Request.Completion owner, int pieces) {
        return new Request(owner, pieces);
    }

    @Override
    public void submit(Request request) {
        if (!open) {
            throw new IllegalStateException("submitted to a port that is closed");
        }
        if (thrown instanceof RuntimeException e) {
            throw e;
        }
        if (thrown instanceof Error e) {
            throw e;
        }
        if (random == null) {
            carryOut(request);
            request.complete(0);
            return;
        }
        if (!quiet) {
            seen.add(request.operation() + " " + request.offset() + " " + request.length() + " " + request.flags());
        }
        waiting.add(request);
        inFlight = waiting.size();
        mostInFlight = Math.max(mostInFlight, waiting.size());
    }

    @Override
    public boolean poll() {
        if (held || waiting.isEmpty()) {
            return false;
        }
        int n = 1 + random.nextInt(waiting.size());
        for (int i = 0; i < n; i++) {
            for (int turn = random.nextInt(waiting.size()); turn > 0; turn--) {
                waiting.add(waiting.poll());
            }
            Request request = waiting.poll();
            inFlight = waiting.size();
            int error = failWith;
            if (error == 0) {
                error = carryOut(request);
            }
            request.complete(error);
        }
        return true;
    }

    private int carryOut(Request request) {
        long at = bytes.address() + request.offset();
        switch (request.operation()) {
            case READ -> {
                if (request.offset() >= zerosFrom && request.has(Request.SPARSE)) {
                    request.markZeros();
                } else {
                    request.data().copyFrom(at, 0, request.length());
                }
            }
            case WRITE -> request.data().copyTo(at, 0, request.length());
            case WRITE_ZEROES -> {
                if (request.has(Request.FAST_ONLY) && request.has(Request.NO_UNMAP)) {
                    return Errno.EOPNOTSUPP;
                }
                Memory.fill(at, request.length(), (byte) 0);
            }
            case MAP -> map(request);
            case FLUSH, DISCARD -> {
                // nothing to do for memory
            }
        }
        return 0;
    }

    private void map(Request request) {
        long position = request.offset();
        long end = position + request.length();
        while (position < end) {
            long run = Math.min(end, (position / runBytes + 1) * runBytes) - position;
            request.extents().add(run, position / runBytes % 2 == 0 ? ExtentList.DATA : ExtentList.HOLE | ExtentList.ZERO);
            position += run;
        }
    }

    @Override
    public void flush() {
        // completions need no submission
    }

    @Override
    public boolean arm() {
        return !held && !waiting.isEmpty();
    }
}
