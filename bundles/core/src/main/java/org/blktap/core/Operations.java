package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * What is done with one attachment, one operation after the other, on a thread that exists only meanwhile. The caller
 * of an operation waits for its result as long as it likes: no lock is held while an operation waits for a VM, an image
 * or a loop, so that what one attachment waits for holds up only the operations queued after it.
 */
final class Operations {
    private static final Logger LOG = System.getLogger("org.blktap.core");

    private final String id;
    private final Executor threads;
    private final ArrayDeque<Pending<?>> queue = new ArrayDeque<>();
    private Pending<?> running;
    private Thread thread;
    private boolean closed;
    /** The running operation must make room for the last one. */
    private boolean interrupted;

    Operations(String id, Executor threads) {
        this.id = id;
        this.threads = threads;
    }

    /** One operation. Ends with what its body returns or throws. */
    static final class Pending<T> extends CompletableFuture<T> {
        private final String name;
        private final LoopCalls.Question<T> body;
        private boolean last;

        Pending(String name, LoopCalls.Question<T> body, boolean last) {
            this.name = name;
            this.body = body;
            this.last = last;
        }

        private void run() {
            try {
                complete(body.ask());
            } catch (DiskException e) {
                completeExceptionally(e);
            } catch (RuntimeException | Error e) {
                LOG.log(Level.ERROR, "internal error of an operation (" + name + ")", e);
                completeExceptionally(e);
            }
        }
    }

    /** Adds an operation; it fails with NOT_FOUND if the last one has been asked for. */
    synchronized <T> Pending<T> submit(String name, LoopCalls.Question<T> body) {
        Pending<T> operation = new Pending<>(name, body, false);
        if (closed) {
            operation.completeExceptionally(ended());
            return operation;
        }
        add(operation);
        return operation;
    }

    /**
     * Adds the last operation, unless there is one: those that wait fail, and the one that is running is interrupted.
     *
     * @return whether it was added
     */
    boolean submitLast(String name, LoopCalls.Action body) {
        List<Pending<?>> refused;
        synchronized (this) {
            if (running != null && running.last || queue.stream().anyMatch(waiting -> waiting.last)) {
                return false;
            }
            refused = refuse();
            add(new Pending<Void>(
                    name,
                    () -> {
                        body.run();
                        return null;
                    },
                    true));
            if (!running.last) {
                // if its thread has not come to it yet, as soon as it does
                interrupted = true;
                if (thread != null) {
                    thread.interrupt();
                }
            }
        }
        refused.forEach(operation -> operation.completeExceptionally(ended()));
        return true;
    }

    /**
     * Makes the operation that calls this the last one: it is not interrupted any more, and those that wait fail with
     * NOT_FOUND.
     *
     * @throws DiskException NOT_FOUND if another last operation has been asked for, which does what is left to do
     */
    void becomeLast() throws DiskException {
        List<Pending<?>> refused = List.of();
        synchronized (this) {
            if (!running.last) {
                if (queue.stream().anyMatch(waiting -> waiting.last)) {
                    throw ended();
                }
                running.last = true;
                refused = refuse();
            }
        }
        refused.forEach(operation -> operation.completeExceptionally(ended()));
    }

    private synchronized List<Pending<?>> refuse() {
        closed = true;
        List<Pending<?>> refused = new ArrayList<>(queue);
        queue.clear();
        return refused;
    }

    private DiskException ended() {
        return new DiskException(Reason.NOT_FOUND, "attachment '" + id + "' is being detached");
    }

    private void add(Pending<?> operation) {
        queue.add(operation);
        if (running == null) {
            running = queue.poll();
            threads.execute(this::work);
        }
    }

    private void work() {
        Pending<?> operation = first();
        while (operation != null) {
            operation.run();
            operation = next();
        }
    }

    private synchronized Pending<?> first() {
        thread = Thread.currentThread();
        if (interrupted) {
            thread.interrupt();
        }
        return running;
    }

    private synchronized Pending<?> next() {
        // an interruption is for the operation that was running
        Thread.interrupted();
        interrupted = false;
        running = queue.poll();
        if (running == null) {
            thread = null;
        }
        return running;
    }

    /** Takes an operation back that has not begun. */
    synchronized boolean cancel(Pending<?> operation) {
        return queue.remove(operation);
    }

    /** Whether the last operation has been asked for, or has run. */
    synchronized boolean closed() {
        return closed;
    }

    /** What is being done, for messages; null if nothing is. */
    synchronized String running() {
        return running == null ? null : running.name;
    }
}
