package org.blktap.node.xen;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The single thread of {@link XenBus}. Exceptions are logged, and the thread continues. */
final class XenBusThread implements Executor, AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.node.xen");

    private final ScheduledThreadPoolExecutor executor = new ScheduledThreadPoolExecutor(1, task -> {
        Thread thread = new Thread(task, "blktap-xenbus");
        thread.setDaemon(true);
        return thread;
    });

    /** When the task under way began ({@link System#nanoTime}), or 0. */
    private volatile long began;

    XenBusThread() {
        executor.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        executor.setRemoveOnCancelPolicy(true);
    }

    /** @throws RejectedExecutionException after {@link #close} */
    @Override
    public void execute(Runnable task) {
        executor.execute(() -> timed(task));
    }

    private void timed(Runnable task) {
        began = System.nanoTime() | 1;
        try {
            run(task);
        } finally {
            began = 0;
        }
    }

    /** See {@link XenBus#busyMilliseconds}. */
    long busyMilliseconds() {
        long since = began;
        return since == 0 ? 0 : TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - since);
    }

    /** Executes a task once so much time has passed; forgets it when closed before, or already. */
    void after(long milliseconds, Runnable task) {
        try {
            executor.schedule(() -> timed(task), milliseconds, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "the XenBus thread has ended");
        }
    }

    /** Runs a task on the calling thread, and logs what it throws. */
    static void run(Runnable task) {
        try {
            task.run();
        } catch (Throwable e) {
            LOG.log(Level.ERROR, Thread.currentThread().getName() + ": a task failed", e);
        }
    }

    /** What is pending is still done, but waited for only so long. False if it was not done by then. */
    boolean close(long milliseconds) {
        executor.shutdown();
        try {
            return executor.awaitTermination(milliseconds, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public void close() {
        close(0);
    }
}
