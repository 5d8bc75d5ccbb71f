package org.blktap.core.gate;

import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.Operation;
import org.blktap.api.engine.Errno;

/**
 * Requests that the storage has failed and that are not answered, since the policy of the attachment says so. With the
 * first of them the gate closes. They are tried again in the order in which they were taken, each when the one before
 * has ended, and the gate opens when all have succeeded: so a later request never takes effect before one of them.
 * Their memory is their node's; one that loses it takes its requests back. Loop only, except where noted.
 */
public final class FailedRequests {
    private final Gate gate;
    private final Set<GateRequest> waiting = new LinkedHashSet<>();
    /** Those of {@link #waiting} that the present retry has not come to. */
    private final Deque<GateRequest> toTry = new ArrayDeque<>();

    private FaultPolicy policy = FaultPolicy.REPORT;
    /** Whether none is held any more. */
    private boolean answering;
    /** Completes when a retry ends; null while there is none. */
    private CompletableFuture<Boolean> retry;

    /** Whether one was held since the gate was opened, or a retry has begun. */
    private boolean failedAgain;

    private volatile int count;
    private volatile Failure last = new Failure(0, Operation.FLUSH, 0, 0);

    FailedRequests(Gate gate) {
        this.gate = gate;
    }

    /** A request that failed. */
    public record Failure(int errno, Operation operation, long offset, long length) {
        public Kind kind() {
            return FaultPolicy.kindOf(errno);
        }

        @Override
        public String toString() {
            String what = operation.name().toLowerCase(Locale.ROOT)
                    + (operation == Operation.FLUSH ? "" : " of " + length + " bytes at " + offset);
            return what + " failed: " + Errno.text(errno);
        }
    }

    /** Sets which requests are held from now on. */
    public void policy(FaultPolicy now) {
        policy = now;
    }

    /** How many are held. Any thread; exact on the loop. */
    public int count() {
        return count;
    }

    /** The last failure of a request that was held. Any thread. */
    public Failure last() {
        return last;
    }

    /** Whether they are being tried again. */
    boolean retrying() {
        return retry != null;
    }

    /** Whether the gate is closed because one has failed, and nothing is being done about it. */
    public boolean halted() {
        return failedAgain && retry == null;
    }

    /** Completes with the end of the present {@link #retry}; at once if there is none. */
    public CompletableFuture<Boolean> outcome() {
        return retry != null ? retry : CompletableFuture.completedFuture(!failedAgain);
    }

    /** The gate has opened. */
    void opened() {
        failedAgain = false;
    }

    /**
     * Whether a request that has failed is held: if the policy says so, and always if the disk has lost its image, so
     * that the next one has it. A question about how a range is stored is not: its answer may be in part in the list
     * already, and no VM asks one.
     */
    boolean holds(GateRequest request, int errno) {
        return !answering && (gate.hasLost() || policy.holds(errno)) && request.operation() != Operation.MAP;
    }

    void add(GateRequest request) {
        last = new Failure(request.error(), request.operation(), request.offset(), request.length());
        request.failedWith(request.error());
        waiting.add(request);
        counted();
        failedAgain = true;
    }

    private void counted() {
        count = waiting.size();
    }

    /**
     * Tries all again, at the disk behind the gate, which must be closed. The future completes with true when all have
     * succeeded or been taken back, or were answered with another error; with false as soon as one is held again, the
     * disk throws, or {@link Gate#close} is called.
     */
    public CompletableFuture<Boolean> retry() {
        if (retry == null) {
            CompletableFuture<Boolean> begun = new CompletableFuture<>();
            retry = begun;
            failedAgain = false;
            toTry.clear();
            waiting.stream()
                    .sorted(Comparator.comparingLong(GateRequest::takenNanos))
                    .forEach(toTry::add);
            whenIdle(begun, gate.drain());
            return begun;
        }
        return retry;
    }

    private void whenIdle(CompletableFuture<Boolean> begun, CompletableFuture<Void> idle) {
        CompletableFuture<Void> before = idle;
        // not recursive where the disk completes at once: there may be thousands
        while (before.isDone() && retry == begun) {
            before = next();
        }
        if (retry == begun) {
            before.thenRun(() -> whenIdle(begun, CompletableFuture.completedFuture(null)));
        }
    }

    /** Submits the next one, and ends the retry if there is none. The future completes when it has ended. */
    private CompletableFuture<Void> next() {
        GateRequest request = toTry.poll();
        while (request != null && !waiting.contains(request)) {
            request = toTry.poll();
        }
        if (failedAgain || request == null) {
            end(!failedAgain);
            return CompletableFuture.completedFuture(null);
        }
        waiting.remove(request);
        counted();
        request.again();
        return gate.alone(request);
    }

    private void end(boolean all) {
        CompletableFuture<Boolean> ended = retry;
        retry = null;
        toTry.clear();
        ended.complete(all && !gate.hasLost());
    }

    /** Ends a retry; what is at the disk goes on. */
    void stop() {
        if (retry != null) {
            end(false);
        }
    }

    /** Gives a request back to its node; false if it is not held. */
    boolean withdraw(GateRequest request) {
        boolean held = waiting.remove(request);
        counted();
        return held;
    }

    /** Answers all with the errors that they have failed with, and from now on each that fails. */
    public void fail() {
        answering = true;
        stop();
        List<GateRequest> all = List.copyOf(waiting);
        waiting.clear();
        counted();
        all.forEach(request -> {
            request.end(request.failedWith());
            gate.statistics().count(request, System.nanoTime());
            request.deliver();
        });
    }

    /** Forgets those of a node that has ended, whose VM finds them unanswered in its ring or submits them again. */
    void forget(NodePort port) {
        waiting.removeIf(each -> each.port() == port);
        counted();
    }
}
