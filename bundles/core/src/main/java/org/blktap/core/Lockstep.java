package org.blktap.core;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * One operation of several attachments at once: each does a step, on the thread of its own operation, and no step
 * begins before all have done the one before. No other operation of them runs meanwhile, until {@link #close}.
 *
 * @param <M> the part of one attachment
 */
final class Lockstep<M> implements AutoCloseable {
    /** How long an operation that runs already is waited for. */
    private static final Duration QUEUED = Duration.ofSeconds(30);

    private final List<Member<M>> members = new ArrayList<>();

    /** What each does. */
    interface Step<M> {
        void run(M part) throws DiskException;
    }

    private static final class Member<M> {
        private final String id;
        private final M part;
        private final BlockingQueue<Runnable> steps = new LinkedBlockingQueue<>();
        private final CompletableFuture<Void> begun = new CompletableFuture<>();
        private boolean left;

        Member(String id, M part) {
            this.id = id;
            this.part = part;
        }

        /** The operation's body; ends with {@link #leave}, or when the attachment must end. */
        void work() {
            begun.complete(null);
            try {
                Runnable step = steps.take();
                while (step != LEAVE) {
                    step.run();
                    step = steps.take();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } finally {
                finish();
            }
        }

        private void finish() {
            List<Runnable> rest = new ArrayList<>();
            synchronized (this) {
                left = true;
                steps.drainTo(rest);
            }
            // they find out that they must not run
            rest.forEach(Runnable::run);
        }

        CompletableFuture<Void> start(Step<M> step, Step<M> ifLeft) {
            CompletableFuture<Void> done = new CompletableFuture<>();
            Runnable task = () -> {
                try {
                    (hasLeft() ? ifLeft : step).run(part);
                    done.complete(null);
                } catch (DiskException | RuntimeException | Error e) {
                    done.completeExceptionally(e);
                }
            };
            synchronized (this) {
                if (!left) {
                    steps.add(task);
                    return done;
                }
            }
            task.run();
            return done;
        }

        private synchronized boolean hasLeft() {
            return left;
        }

        void leave() {
            steps.add(LEAVE);
        }
    }

    private static final Runnable LEAVE = () -> {};

    /** Adds an attachment, whose operations wait from when it comes to its turn. */
    void add(String id, M part, Operations operations, String what) throws DiskException {
        Member<M> member = new Member<>(id, part);
        Operations.Pending<Void> operation = operations.submit(what, () -> {
            member.work();
            return null;
        });
        operation.whenComplete((nothing, failure) -> {
            if (failure != null) {
                member.begun.completeExceptionally(failure);
            }
        });
        try {
            await(member.id, member.begun, QUEUED);
            members.add(member);
        } catch (DiskException e) {
            member.leave();
            operations.cancel(operation);
            throw e;
        }
    }

    /**
     * Has all do a step.
     *
     * @param limit for all of them
     * @throws DiskException what the first that failed has thrown, when all have ended or the limit is over
     */
    void all(Step<M> step, Duration limit) throws DiskException {
        await(
                begin(step, any -> {
                    throw new DiskException(Reason.NOT_FOUND, "an attachment is being detached");
                }),
                limit);
    }

    /** Waits for a step of all, likewise. */
    void await(List<CompletableFuture<Void>> steps, Duration limit) throws DiskException {
        long end = System.nanoTime() + limit.toNanos();
        DiskException failed = null;
        for (int i = 0; i < steps.size(); i++) {
            try {
                await(members.get(i).id, steps.get(i), Duration.ofNanos(Math.max(0, end - System.nanoTime())));
            } catch (DiskException e) {
                if (failed == null) {
                    failed = e;
                } else {
                    failed.addSuppressed(e);
                }
            }
        }
        if (failed != null) {
            throw failed;
        }
    }

    /**
     * Begins a step of all.
     *
     * @param ifLeft is done instead for one that is being detached, whose operation has ended
     */
    List<CompletableFuture<Void>> begin(Step<M> step, Step<M> ifLeft) {
        return members.stream().map(member -> member.start(step, ifLeft)).toList();
    }

    private static void await(String id, CompletableFuture<Void> future, Duration limit) throws DiskException {
        try {
            future.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw new DiskException(Reason.BUSY, "attachment '" + id + "' does not come to its turn: it is busy", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.BUSY, "attachment '" + id + "': interrupted", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof DiskException known) {
                throw known;
            }
            throw new DiskException(Reason.IO, "attachment '" + id + "': internal error: " + e.getCause(), e);
        }
    }

    /** Ends the operations after the steps that were begun. */
    @Override
    public void close() {
        members.forEach(Member::leave);
    }
}
