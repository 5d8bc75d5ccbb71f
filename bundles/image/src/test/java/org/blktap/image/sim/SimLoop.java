package org.blktap.image.sim;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;

/** A loop that the test turns on its own thread. Operations in flight end in an order that the seed decides. */
public final class SimLoop implements IoLoop {
    private final Random random;
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private boolean stepping;
    private final List<Runnable> inFlight = new ArrayList<>();
    private int moment;

    public SimLoop(Random random) {
        this.random = random;
    }

    /**
     * Number of changes and flushes of all files that have ended: the points at which a test can let the machine crash.
     */
    public int moment() {
        return moment;
    }

    /** Counts one more. Returns the number before. */
    int tick() {
        return moment++;
    }

    /** Adds something that ends at some time. */
    void later(Runnable ending) {
        inFlight.add(ending);
    }

    /** Ends one thing in flight, or runs one task; false if there is nothing. */
    public boolean step() {
        Runnable task = tasks.poll();
        if (task == null) {
            if (inFlight.isEmpty()) {
                return false;
            }
            int i = random.nextInt(inFlight.size());
            task = inFlight.get(i);
            inFlight.set(i, inFlight.get(inFlight.size() - 1));
            inFlight.remove(inFlight.size() - 1);
        }
        stepping = true;
        try {
            task.run();
        } finally {
            stepping = false;
        }
        return true;
    }

    /** Steps until nothing is left to do. */
    public void drain() {
        while (step()) {
            // each step is the work
        }
    }

    /** Submits a request and runs it to its end. Returns the errno, or -1 if it never ends. */
    public int submit(VirtualDisk disk, Operation operation, long offset, long address, int length) {
        int[] error = {-1};
        Request request = new Request(done -> error[0] = done.error(), 1);
        request.data().add(address, length);
        disk.submit(request.set(operation, offset, length, 0));
        drain();
        return error[0];
    }

    @Override
    public String name() {
        return "sim";
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
        if (!stepping) {
            // another thread waits for the task
            drain();
        }
    }

    @Override
    public <T> T call(Callable<T> task) throws Exception {
        return task.call();
    }

    @Override
    public long busySince() {
        return 0;
    }

    @Override
    public void onFailure(FailureHandler handler) {
        // a failure ends the test
    }

    @Override
    public void failed(String what, Throwable failure) {
        throw new AssertionError(what, failure);
    }

    @Override
    public boolean inLoop() {
        return true;
    }

    @Override
    public long nanoTime() {
        return System.nanoTime();
    }

    @Override
    public void offload(BlockingCall call, IoCallback done) {
        later(() -> {
            int error;
            try {
                error = call.run();
            } catch (ErrnoException e) {
                error = e.errno();
            } catch (Exception e) {
                throw new AssertionError("an offloaded call threw", e);
            }
            done.done(error);
        });
    }

    @Override
    public Watch watch(int fd, int events, FdHandler handler) {
        throw new UnsupportedOperationException("image formats have neither descriptors nor stages");
    }

    /** Runs at some time, like everything in flight: a disk's timers only begin work earlier or later. */
    @Override
    public Timer schedule(Runnable task, long milliseconds) {
        Runnable[] left = {task};
        later(() -> {
            if (left[0] != null) {
                left[0].run();
            }
        });
        return () -> left[0] = null;
    }

    @Override
    public void addEngine(LoopStage stage) {
        throw new UnsupportedOperationException("image formats have neither descriptors nor stages");
    }

    @Override
    public void addNode(LoopStage stage) {
        throw new UnsupportedOperationException("image formats have neither descriptors nor stages");
    }

    @Override
    public void remove(LoopStage stage) {
        throw new UnsupportedOperationException("image formats have neither descriptors nor stages");
    }

    @Override
    public void close() {
        // no thread
    }
}
