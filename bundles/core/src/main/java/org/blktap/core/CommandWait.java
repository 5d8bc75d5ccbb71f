package org.blktap.core;

import java.time.Duration;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.core.Operations.Pending;

/**
 * How long a command waits for its operation: not for a loop that is blocked, and not long for another operation that
 * is under way.
 *
 * @param id the attachment's
 * @param drain how long an operation may wait for requests in flight; twice that, and ten seconds at least, is the
 *     limit of a command
 */
record CommandWait(String id, Operations operations, LoopCalls calls, Supplier<Duration> drain) {
    private static final long QUEUED_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final long LEAST_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final long BLOCKED_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long LOOK_MILLIS = 500;

    /**
     * Waits for an operation.
     *
     * @throws DiskException what the operation threw; BUSY if it could not begin, IO if the attachment's loop does not
     *     answer
     */
    <T> T forResult(Pending<T> operation) throws DiskException {
        long start = System.nanoTime();
        while (true) {
            try {
                return operation.get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                String other = operations.running();
                if (System.nanoTime() - start > QUEUED_NANOS && operations.cancel(operation)) {
                    throw new DiskException(
                            Reason.BUSY, "attachment '" + id + "' is busy: " + other + "; detach --force ends it");
                }
                if (System.nanoTime() - start
                        > Math.max(LEAST_NANOS, 2 * drain.get().toNanos())) {
                    throw new DiskException(
                            Reason.BUSY,
                            "attachment '" + id + "' is still " + other + "; that continues, detach --force ends it");
                }
                long blocked = calls.blockedNanos();
                if (blocked > BLOCKED_NANOS) {
                    boolean begun = !operations.cancel(operation);
                    throw new DiskException(
                            Reason.IO,
                            "attachment '" + id + "' has not responded for " + TimeUnit.NANOSECONDS.toSeconds(blocked)
                                    + " s; " + (begun ? "the command continues if it responds again; " : "")
                                    + "detach --force ends it");
                }
            } catch (InterruptedException e) {
                operations.cancel(operation);
                Thread.currentThread().interrupt();
                throw new DiskException(Reason.BUSY, "attachment '" + id + "': interrupted", e);
            } catch (ExecutionException | CompletionException e) {
                throw known(e.getCause());
            }
        }
    }

    /** What an operation ended with, for its caller. */
    DiskException known(Throwable cause) {
        return cause instanceof DiskException known
                ? known
                : new DiskException(Reason.IO, id + ": internal error: " + cause, cause);
    }
}
