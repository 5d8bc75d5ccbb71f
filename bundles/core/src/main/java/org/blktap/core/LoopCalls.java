package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntSupplier;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoLoop;

/**
 * Calls that control threads make on an attachment's loop, and their waiting for what ends there.
 *
 * @param id the attachment's, for messages
 * @param inFlight the number of requests at the disk, for messages; any thread may ask
 */
record LoopCalls(String id, IoLoop loop, IntSupplier inFlight) {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    /** A turn of a loop takes milliseconds; one that takes longer than this is blocked by something. */
    private static final long BLOCKED_NANOS = TimeUnit.MILLISECONDS.toNanos(1500);
    /** The first line about a wait comes after this, the others each minute. */
    private static final long FIRST_LINE_SECONDS = 10;

    private static final long MORE_LINES_SECONDS = 60;
    /** Interval of the check whether helper threads are idle. */
    private static final long IDLE_MILLISECONDS = 2;

    interface Action {
        void run() throws DiskException;
    }

    interface Question<T> {
        T ask() throws DiskException;
    }

    /** Runs something on the loop and waits for it, also if interrupted: what it opens must not be lost. */
    void run(Action action) throws DiskException {
        ask(() -> {
            action.run();
            return null;
        });
    }

    /** Asks something on the loop, as {@link #run}. */
    <T> T ask(Question<T> question) throws DiskException {
        try {
            return loop.call(question::ask);
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw new DiskException(Reason.IO, id + ": " + e.getCause(), e);
        } catch (Exception e) {
            throw new DiskException(Reason.IO, id + ": " + e, e);
        }
    }

    /** Asks something on the loop without waiting; fails with NOT_FOUND if the attachment has ended meanwhile. */
    <T> CompletableFuture<T> start(Question<T> question) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        try {
            loop.execute(() -> {
                try {
                    answer.complete(question.ask());
                } catch (DiskException | RuntimeException | Error e) {
                    answer.completeExceptionally(e);
                }
            });
        } catch (RejectedExecutionException e) {
            answer.completeExceptionally(
                    new DiskException(Reason.NOT_FOUND, "attachment '" + id + "' has just ended", e));
        }
        return answer;
    }

    /** Waits for what ends on the loop; a {@link DiskException} in it is thrown as it is. */
    <T> T await(CompletableFuture<T> future, String what) throws DiskException {
        long seconds = FIRST_LINE_SECONDS;
        while (true) {
            try {
                return await(future, what, Duration.ofSeconds(seconds));
            } catch (TimeoutException e) {
                LOG.log(Level.WARNING, id + ": still waiting for " + what + " (" + inFlight.getAsInt() + " in flight)");
                seconds = MORE_LINES_SECONDS;
            }
        }
    }

    /** Waits as {@link #await(CompletableFuture, String)} does, with a limit. */
    <T> T await(CompletableFuture<T> future, String what, Duration limit) throws DiskException, TimeoutException {
        try {
            return future.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.BUSY, id + ": interrupted while waiting for " + what, e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof DiskException known) {
                throw known;
            }
            throw new DiskException(Reason.IO, id + ": " + e.getCause(), e);
        }
    }

    /** Ends when no call of the loop is at a helper thread. */
    CompletableFuture<Void> helpersIdle() throws DiskException {
        CompletableFuture<Void> idle = new CompletableFuture<>();
        run(() -> look(idle));
        return idle;
    }

    private void look(CompletableFuture<Void> idle) {
        if (loop.offloaded() == 0) {
            idle.complete(null);
        } else {
            loop.schedule(() -> look(idle), IDLE_MILLISECONDS);
        }
    }

    /** Nanoseconds for which the loop has been blocked in one turn; 0 if it answers. Any thread. */
    long blockedNanos() {
        long since = loop.busySince();
        long nanos = since == 0 ? 0 : System.nanoTime() - since;
        return nanos > BLOCKED_NANOS ? nanos : 0;
    }
}
