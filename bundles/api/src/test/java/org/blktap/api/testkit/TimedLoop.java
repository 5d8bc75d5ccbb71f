package org.blktap.api.testkit;

import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;

/**
 * A loop whose time passes when the test says so: for what waits for the clock. The test's thread is the loop's. Tasks
 * and calls given to {@link #offload} run in the next step. Each task and timer is a turn, after which the stages are
 * flushed; they are not polled. There are no descriptors.
 */
public final class TimedLoop implements IoLoop {
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private final PriorityQueue<Scheduled> timers = new PriorityQueue<>(
            Comparator.comparingLong((Scheduled each) -> each.nanos).thenComparingLong(each -> each.number));
    private final List<LoopStage> stages = new CopyOnWriteArrayList<>();
    private long nanos = TimeUnit.HOURS.toNanos(1);
    private long numbers;

    private final class Scheduled implements Timer {
        private final Runnable task;
        private final long nanos;
        private final long number;

        Scheduled(Runnable task, long nanos) {
            this.task = task;
            this.nanos = nanos;
            this.number = numbers++;
        }

        @Override
        public void cancel() {
            timers.remove(this);
        }
    }

    /** Lets time pass: runs all tasks, and each timer at its time. */
    public void pass(long amount, TimeUnit unit) {
        long end = nanos + unit.toNanos(amount);
        runTasks();
        while (!timers.isEmpty() && timers.peek().nanos <= end) {
            Scheduled next = timers.poll();
            nanos = Math.max(nanos, next.nanos);
            next.task.run();
            stages.forEach(LoopStage::flush);
            runTasks();
        }
        nanos = end;
    }

    private void runTasks() {
        for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
            task.run();
            stages.forEach(LoopStage::flush);
        }
    }

    /** The number of timers that have not run. */
    public int timers() {
        return timers.size();
    }

    @Override
    public String name() {
        return "timed";
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
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
        return nanos;
    }

    @Override
    public Watch watch(int fd, int events, FdHandler handler) {
        throw new UnsupportedOperationException("this loop has no descriptors");
    }

    @Override
    public Timer schedule(Runnable task, long milliseconds) {
        Scheduled timer = new Scheduled(task, nanos + TimeUnit.MILLISECONDS.toNanos(milliseconds));
        timers.add(timer);
        return timer;
    }

    @Override
    public void addEngine(LoopStage stage) {
        stages.add(stage);
    }

    @Override
    public void addNode(LoopStage stage) {
        stages.add(stage);
    }

    @Override
    public void remove(LoopStage stage) {
        stages.remove(stage);
    }

    @Override
    public void offload(BlockingCall call, IoCallback done) {
        execute(() -> {
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
    public void close() {
        tasks.clear();
        timers.clear();
    }
}
