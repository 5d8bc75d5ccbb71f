package org.blktap.api.testkit;

/**
 * A well-behaved client beside a hostile one, on a thread of its own: it sends requests all the time, checks the
 * answers, and must not notice the other. It stops at the first failure, which {@link #check} throws; the slowest
 * request is noted.
 */
public final class Victim implements AutoCloseable {
    private final Thread thread;
    private volatile boolean stopped;
    private volatile Throwable failure;
    private volatile long requests;
    private volatile long slowestNanos;

    /**
     * The client's work: sends requests by {@link Victim#timed} while {@link Victim#wanted}, and throws if an answer is
     * wrong.
     */
    public interface Load {
        /** Runs on the victim's thread. */
        void run(Victim victim) throws Exception;
    }

    /** One request, from sending it to its answer. */
    public interface Exchange {
        /** Sends the request and checks its answer. */
        void run() throws Exception;
    }

    /** Starts the client. */
    public Victim(Load load) {
        thread = new Thread(() -> run(load), "victim");
        thread.start();
    }

    private void run(Load load) {
        try {
            load.run(this);
        } catch (Exception | Error e) {
            failure = e;
        }
    }

    /** Whether the client goes on. */
    public boolean wanted() {
        return !stopped;
    }

    /** Runs one request, counts it and notes its time. Called by the client's thread. */
    public void timed(Exchange request) throws Exception {
        long start = System.nanoTime();
        request.run();
        slowestNanos = Math.max(slowestNanos, System.nanoTime() - start);
        requests++;
    }

    /** Throws an {@link AssertionError} if the client has failed. */
    public void check() {
        if (failure != null) {
            throw new AssertionError("the victim was harmed", failure);
        }
    }

    /** Requests that were answered. */
    public long requests() {
        return requests;
    }

    /** The time that the slowest request took, in milliseconds. */
    public long slowestMillis() {
        return slowestNanos / 1_000_000;
    }

    /** Both in words. */
    public String report() {
        return requests + " requests of the victim, the slowest took " + slowestMillis() + " ms";
    }

    /** Stops the client and waits for its thread. */
    public void stop() {
        stopped = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** As {@link #stop}. */
    @Override
    public void close() {
        stop();
    }
}
