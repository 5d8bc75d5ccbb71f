package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntSupplier;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoLoop;

/**
 * What control threads have an attachment's loop do, and wait for.
 *
 * @param id the attachment's, for messages
 * @param inFlight how many requests are at the disk, for messages; any thread may ask
 */
record LoopCalls(String id, IoLoop loop, IntSupplier inFlight) {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    /** What takes longer is told in the log, and waited for on. */
    private static final long PATIENCE_SECONDS = 10;

    interface Action {
        void run() throws DiskException;
    }

    interface Question<T> {
        T ask() throws DiskException;
    }

    void run(Action action) throws DiskException {
        ask(() -> {
            action.run();
            return null;
        });
    }

    <T> T ask(Question<T> question) throws DiskException {
        try {
            return loop.call(question::ask);
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new DiskException(Reason.IO, id + ": " + e, e);
        }
    }

    /** Waits for what ends on the loop; a {@link DiskException} in it is thrown as it is. */
    <T> T await(CompletableFuture<T> future, String what) throws DiskException {
        while (true) {
            try {
                return future.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            } catch (TimeoutException e) {
                LOG.log(Level.WARNING, id + ": still waiting for " + what + " (" + inFlight.getAsInt() + " in flight)");
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new DiskException(Reason.IO, id + ": interrupted while waiting for " + what, e);
            } catch (ExecutionException e) {
                if (e.getCause() instanceof DiskException known) {
                    throw known;
                }
                throw new DiskException(Reason.IO, id + ": " + e.getCause(), e);
            }
        }
    }
}
