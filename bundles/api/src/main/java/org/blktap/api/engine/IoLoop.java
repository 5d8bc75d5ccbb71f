package org.blktap.api.engine;

import java.util.concurrent.Callable;
import java.util.concurrent.Executor;
import org.osgi.annotation.versioning.ConsumerType;
import org.osgi.annotation.versioning.ProviderType;

/**
 * One thread that runs one attachment: its nodes, its format code, its I/O completions. It sleeps in one place (epoll)
 * and only when no stage has anything to do.
 */
@ProviderType
public interface IoLoop extends Executor, AutoCloseable {
    /** EPOLLIN of sys/epoll.h. */
    int READABLE = 0x001;
    /** EPOLLOUT of sys/epoll.h. */
    int WRITABLE = 0x004;
    /** EPOLLERR of sys/epoll.h; always reported. */
    int ERROR = 0x008;
    /** EPOLLHUP of sys/epoll.h; always reported. */
    int HANG_UP = 0x010;
    /** EPOLLET of sys/epoll.h: a descriptor is reported once for each event, whether or not it is read. */
    int EDGE_TRIGGERED = 1 << 31;

    /** The thread's name, for logs. */
    String name();

    /** Runs a task on the loop, soon and in order. Any thread; refused after close with RejectedExecutionException. */
    @Override
    void execute(Runnable task);

    /**
     * Runs a task on the loop and waits for its result, also if the caller is interrupted; at once if the caller is the
     * loop. For control paths.
     *
     * @throws Exception what the task threw
     */
    <T> T call(Callable<T> task) throws Exception;

    /**
     * {@link System#nanoTime} at which the present turn began, or 0 while the loop sleeps: how long a loop has been
     * busy with what it does. Any thread.
     */
    long busySince();

    /**
     * Sets what is called, on the loop, when code that runs on it throws: a task, timer, handler, stage or callback of
     * an engine. The loop itself logs the exception once and continues without a handler or stage that threw. Loop
     * only, by the loop's owner.
     */
    void onFailure(FailureHandler handler);

    /** Reports that code which the caller runs on the loop threw, as if the loop had called it. Loop only. */
    void failed(String what, Throwable failure);

    /** Whether the caller is the loop's thread. */
    boolean inLoop();

    /** {@link System#nanoTime} of this turn: read once a turn, for stamps that need no more. Loop only. */
    long nanoTime();

    /**
     * The time for the stamp of an operation that completes now: {@link #nanoTime} where that is as good, as for what
     * engines find completed at the beginning of a turn, else {@link System#nanoTime}, which may be a system call (in a
     * dom0 of Xen). Loop only.
     */
    default long completionNanoTime() {
        return System.nanoTime();
    }

    /**
     * Says that the caller has worked for longer than a look at the clock takes, as to decrypt data: what completes
     * from now on in this turn has completed later than the turn began ({@link #completionNanoTime}). Loop only.
     */
    default void tookTime() {}

    /**
     * Calls a handler whenever a file descriptor is ready, until it throws. Loop only.
     *
     * @param events a set of {@link #READABLE}, {@link #WRITABLE} and {@link #EDGE_TRIGGERED}
     */
    Watch watch(int fd, int events, FdHandler handler);

    /** Runs a task on the loop after a delay. Loop only. */
    Timer schedule(Runnable task, long milliseconds);

    /** Adds an engine's queue to the turn: polled and flushed before the nodes. Loop only. */
    void addEngine(LoopStage stage);

    /** Adds a node's rings to the turn. Loop only. */
    void addNode(LoopStage stage);

    /** Takes a stage out of the turn. Loop only; allowed during a turn. */
    void remove(LoopStage stage);

    /**
     * Runs a blocking call on a helper thread and reports on the loop. Loop only; for what the kernel cannot do
     * asynchronously (fallocate, ftruncate, decompression).
     */
    void offload(BlockingCall call, IoCallback done);

    /**
     * Calls given to {@link #offload} that have not reported yet: helper threads may still use what these refer to.
     * Loop only.
     */
    default int offloaded() {
        return 0;
    }

    /** Ends the thread after the tasks already given. Any thread but the loop's own; waits for the end. */
    @Override
    void close();

    /** See {@link #onFailure}. */
    @ConsumerType
    @FunctionalInterface
    interface FailureHandler {
        /** @param what names the code that threw */
        void failed(String what, Throwable failure);
    }

    /** See {@link #watch}. */
    @ConsumerType
    @FunctionalInterface
    interface FdHandler {
        /** @param events what the descriptor is ready for, with {@link #ERROR} and {@link #HANG_UP} */
        void ready(int events);
    }

    /** A watched descriptor. Loop only. */
    @ProviderType
    interface Watch extends AutoCloseable {
        /** Changes the events waited for. */
        void events(int events);

        /** Stops watching; to be called before the descriptor is closed. Idempotent. */
        @Override
        void close();
    }

    /** A scheduled task. Loop only. */
    @ProviderType
    interface Timer {
        /** Forgets the task; nothing if it has run. */
        void cancel();
    }

    /** See {@link #offload}. */
    @ConsumerType
    @FunctionalInterface
    interface BlockingCall {
        /**
         * @return 0 or a positive errno; an {@link ErrnoException} counts as its errno, any other as EIO and is logged
         */
        int run() throws Exception;
    }
}
