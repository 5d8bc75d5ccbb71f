package org.blktap.linux;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;

/**
 * The loop: turns over tasks, timers and stages as long as there is anything to do, then polls briefly if a stage can
 * be polled for, then sleeps in epoll.
 */
final class EpollLoop implements IoLoop {
    private static final Logger LOG = System.getLogger("org.blktap.linux.loop");

    /** A loop that does not sleep looks at its descriptors at least this often. */
    private static final long LOOK_NANOS = TimeUnit.MICROSECONDS.toNanos(50);

    private static final VarHandle BUSY_SINCE;

    static {
        try {
            BUSY_SINCE = MethodHandles.lookup().findVarHandle(EpollLoop.class, "busySince", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final String name;
    private final Executor helpers;
    /**
     * How long an idle loop polls before it sleeps. A wake-up costs both sides a system call and a scheduling delay of
     * tens of microseconds; a busy queue brings the next request sooner.
     */
    private final LongSupplier spinNanos;

    private final Thread thread;
    private final EpollSet epoll = new EpollSet(this::memoryGone);
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final Alarms alarms = new Alarms();
    private final Stages engines = new Stages(this::stageFailed);
    private final Stages nodes = new Stages(this::stageFailed);
    private long now = System.nanoTime();
    /** What completes now had completed when the turn began, or while the loop slept. */
    private boolean completedBefore;

    private long lastLook = now;
    private final TurnCounters counters = new TurnCounters();
    /** When the present turn began, for other threads; 0 while the loop sleeps. */
    private volatile long busySince = now;
    /** Calls that helper threads run, or whose results the loop has not taken yet. */
    private int offloaded;

    private volatile boolean sleeping;
    private volatile boolean closing;
    private volatile boolean ended;
    private final LoopFailures failures;

    private EpollLoop(String name, Executor helpers, LongSupplier spinNanos) {
        this.name = name;
        this.helpers = helpers;
        this.spinNanos = spinNanos;
        this.failures = new LoopFailures(name);
        this.thread = new Thread(this::run, name);
        thread.setDaemon(true);
    }

    static EpollLoop start(String name, Executor helpers, LongSupplier spinNanos) {
        EpollLoop loop = new EpollLoop(name, helpers, spinNanos);
        loop.thread.start();
        return loop;
    }

    private void run() {
        long lastWork = now;
        boolean slept = false;
        // whether handlers were called before the turn: what they have queued is submitted in it
        boolean handled = false;
        while (!closing || !tasks.isEmpty()) {
            if (slept) {
                slept = false;
                lastLook = now;
                lastWork = now;
            } else {
                endTurn();
                showBusy();
            }
            boolean work = runTasks();
            work |= runAlarms();
            work |= turn(!work);
            if (work) {
                lastWork = now;
            } else if (now - lastWork < spinNanos.getAsLong() && (nodes.pollable() || engines.pollable())) {
                Thread.onSpinWait();
            } else if (!(engines.arm() | nodes.arm())) {
                handled = sleep(handled);
                slept = true;
                continue;
            }
            handled = false;
            if (now - lastLook > LOOK_NANOS) {
                lastLook = now;
                handled = epoll.handle(epoll.await(0)) > 0;
                if (handled) {
                    lastWork = now;
                }
            }
        }
        busySince = 0;
        ended = true;
        epoll.close();
    }

    /** Reads the clock, which is a system call in a dom0 whose clock source is Xen's. */
    private void endTurn() {
        long began = now;
        now = System.nanoTime();
        counters.ended(now - began, now);
    }

    /** A release store is enough: other threads only compare the time with theirs, seconds later. */
    private void showBusy() {
        BUSY_SINCE.setRelease(this, now);
    }

    /** @param begins whether nothing else has been done in this turn */
    private boolean turn(boolean begins) {
        completedBefore = begins;
        boolean work = engines.poll();
        completedBefore = false;
        work |= nodes.poll();
        engines.flush();
        // requests that completed during submission are answered in this turn
        work |= engines.poll();
        nodes.flush();
        return work;
    }

    private void stageFailed(LoopStage stage, Throwable e) {
        failed(stage + ", which is taken out of the loop,", e);
    }

    @Override
    public void failed(String what, Throwable failure) {
        failures.failed(what, failure);
    }

    @Override
    public void onFailure(FailureHandler handler) {
        failures.handler(handler);
    }

    @Override
    public long busySince() {
        return busySince;
    }

    /** An access to memory that a VM has truncated may be reported as late as at a later call; the loop goes on. */
    private void memoryGone(InternalError e) {
        LOG.log(Level.WARNING, name + ": memory of a VM was gone when it was used: " + e.getMessage());
    }

    /**
     * Ends a turn without work, and sleeps.
     *
     * @param handled whether handlers were called before the turn
     * @return whether handlers were called at the end of the sleep
     */
    private boolean sleep(boolean handled) {
        if (handled) {
            endTurn();
        } else {
            // it took no time that would be worth a look at the clock
            counters.ended(0, now);
        }
        int milliseconds = alarms.millisecondsLeft(now);
        sleeping = true;
        if (!tasks.isEmpty() || closing) {
            milliseconds = 0;
        }
        BUSY_SINCE.setRelease(this, 0L);
        int ready = epoll.await(milliseconds);
        // the next turn begins with the handlers
        now = System.nanoTime();
        showBusy();
        boolean some = epoll.handle(ready) > 0;
        sleeping = false;
        return some;
    }

    private boolean runTasks() {
        boolean work = false;
        // only the tasks that wait now: a task that enqueues itself again must not starve the rings
        for (int n = tasks.size(); n > 0; n--) {
            Runnable task = tasks.poll();
            if (task == null) {
                break;
            }
            work = true;
            guarded(task);
        }
        return work;
    }

    private boolean runAlarms() {
        boolean work = false;
        for (Runnable task = alarms.takeDue(now); task != null; task = alarms.takeDue(now)) {
            work = true;
            guarded(task);
        }
        return work;
    }

    private void guarded(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException | Error e) {
            failed("a task", e);
        }
    }

    /** What it has counted of its turns. Any thread. */
    TurnCounters counters() {
        return counters;
    }

    /** Whether its thread has ended, or is about to. Any thread. */
    boolean ended() {
        return ended;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void execute(Runnable task) {
        if (ended) {
            throw new RejectedExecutionException("loop " + name + " is closed");
        }
        tasks.add(task);
        if (sleeping) {
            epoll.wake();
        }
    }

    @Override
    public <T> T call(Callable<T> task) throws Exception {
        if (inLoop()) {
            return task.call();
        }
        FutureTask<T> future = new FutureTask<>(task);
        execute(future);
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.get(1, TimeUnit.SECONDS);
                } catch (java.util.concurrent.TimeoutException e) {
                    if (ended && !future.isDone()) {
                        throw new RejectedExecutionException("loop " + name + " is closed", e);
                    }
                } catch (InterruptedException e) {
                    // the task still runs, and its result would be lost
                    interrupted = true;
                }
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Exception cause) {
                throw cause;
            }
            throw e;
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Override
    public boolean inLoop() {
        return Thread.currentThread() == thread;
    }

    @Override
    public long nanoTime() {
        return now;
    }

    @Override
    public long completionNanoTime() {
        return completedBefore ? now : System.nanoTime();
    }

    @Override
    public void tookTime() {
        completedBefore = false;
    }

    @Override
    public Watch watch(int fd, int events, FdHandler handler) {
        Guarded guarded = new Guarded(fd, handler);
        guarded.watch = epoll.watch(fd, events, guarded);
        return guarded.watch;
    }

    /**
     * Stops watching a descriptor whose handler throws: while it stays ready, the handler would be called in each turn.
     */
    private final class Guarded implements FdHandler {
        private final int fd;
        private final FdHandler handler;
        private Watch watch;

        Guarded(int fd, FdHandler handler) {
            this.fd = fd;
            this.handler = handler;
        }

        @Override
        public void ready(int events) {
            try {
                handler.ready(events);
            } catch (RuntimeException | Error e) {
                watch.close();
                failed("the handler of descriptor " + fd + ", which is not watched any more,", e);
            }
        }
    }

    @Override
    public Timer schedule(Runnable task, long milliseconds) {
        return alarms.add(task, milliseconds);
    }

    @Override
    public void addEngine(LoopStage stage) {
        engines.add(stage);
    }

    @Override
    public void addNode(LoopStage stage) {
        nodes.add(stage);
    }

    @Override
    public void remove(LoopStage stage) {
        engines.remove(stage);
        nodes.remove(stage);
    }

    @Override
    public int offloaded() {
        return offloaded;
    }

    @Override
    public void offload(BlockingCall call, IoCallback done) {
        offloaded++;
        helpers.execute(() -> {
            int error;
            try {
                error = call.run();
            } catch (ErrnoException e) {
                // the callback handles the error
                LOG.log(Level.DEBUG, name + ": " + e.getMessage());
                error = e.errno();
            } catch (Exception | Error e) {
                OutOfMemory.check(e);
                LOG.log(Level.ERROR, name + ": a blocking call failed", e);
                error = Errno.EIO;
            }
            int result = error;
            execute(() -> {
                offloaded--;
                done.done(result);
            });
        });
    }

    @Override
    public void close() {
        if (inLoop()) {
            throw new IllegalStateException("loop " + name + " cannot wait for its own end");
        }
        closing = true;
        if (!ended) {
            epoll.wake();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public String toString() {
        return "loop " + name;
    }
}
