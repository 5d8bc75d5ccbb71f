package org.blktap.linux;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The helper threads that loops share for blocking calls. Each loop has a {@link Share}: some threads are reserved for
 * it, and it may have more while a common stock has any. So calls that hang hold up only the disk that made them.
 * Threads are started when needed, and end when there is nothing to do.
 */
final class HelperPool {
    private static final Logger LOG = System.getLogger("org.blktap.linux.loop");
    /** Threads that are reserved for each loop. */
    static final int OWN = 2;

    private static final int IDLE_SECONDS = 10;

    private final AtomicInteger number = new AtomicInteger();
    private final ThreadPoolExecutor threads = new ThreadPoolExecutor(
            0, Integer.MAX_VALUE, IDLE_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(), task -> {
                Thread thread = new Thread(task, "blktap-helper-" + number.incrementAndGet());
                thread.setDaemon(true);
                return thread;
            });
    /** Shares with waiting calls that need a thread of the common stock, the longest-waiting first. */
    private final ArrayDeque<Share> starved = new ArrayDeque<>();
    /** Threads of the common stock that are at work. */
    private int common;
    /** Calls of all shares that wait for a thread. */
    private int waitingCalls;

    private int loopMost;
    private int commonMost;

    HelperPool(int loopMost, int commonMost) {
        limit(loopMost, commonMost);
    }

    /**
     * Changes the limits. Threads that are at work beyond them finish their calls.
     *
     * @param ofLoop threads that one loop may have at once
     * @param inCommon threads of all loops beyond their own
     */
    synchronized void limit(int ofLoop, int inCommon) {
        loopMost = ofLoop;
        commonMost = inCommon;
    }

    Share share() {
        return new Share();
    }

    /** Threads that are at work for all loops. */
    int running() {
        return threads.getActiveCount();
    }

    /**
     * How much is used.
     *
     * @param running threads that are at work
     * @param waiting calls that wait for a thread
     * @param common threads of the common stock that are at work
     * @param commonMost threads in the common stock
     */
    record Use(int running, int waiting, int common, int commonMost) {}

    synchronized Use use() {
        return new Use(running(), waitingCalls, common, commonMost);
    }

    void shutdown() {
        threads.shutdown();
    }

    /** One loop's part. Any thread; calls start in the order in which they were given. */
    final class Share implements Executor {
        private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
        private int running;
        private boolean listed;

        private Share() {}

        @Override
        public void execute(Runnable call) {
            Runnable next;
            synchronized (HelperPool.this) {
                waiting.add(call);
                waitingCalls++;
                next = admit(this, false);
            }
            if (next != null) {
                start(this, next);
            }
        }
    }

    /**
     * Takes a thread's place for the first waiting call of a share, if there is a place.
     *
     * @param itsTurn whether no other share has waited longer for the common stock
     */
    private Runnable admit(Share share, boolean itsTurn) {
        if (share.waiting.isEmpty() || share.running >= loopMost) {
            return null;
        }
        if (share.running >= OWN) {
            if (common >= commonMost || !itsTurn && !starved.isEmpty()) {
                if (!share.listed) {
                    share.listed = true;
                    starved.add(share);
                }
                return null;
            }
            common++;
        }
        share.running++;
        waitingCalls--;
        return share.waiting.poll();
    }

    private void start(Share share, Runnable first) {
        try {
            threads.execute(() -> work(share, first));
        } catch (OutOfMemoryError e) {
            boolean served;
            synchronized (this) {
                release(share);
                // the running threads of the share will take the call
                served = share.running > 0;
                if (served) {
                    share.waiting.addFirst(first);
                    waitingCalls++;
                }
            }
            if (!served) {
                throw e;
            }
        }
    }

    private void work(Share share, Runnable first) {
        Share of = share;
        for (Runnable call = first; call != null; ) {
            guarded(call);
            synchronized (this) {
                release(of);
                call = admit(of, false);
                // the pool that has waited longest for the common stock takes what is free now
                while (call == null && common < commonMost && !starved.isEmpty()) {
                    of = starved.poll();
                    of.listed = false;
                    call = admit(of, true);
                }
            }
        }
    }

    /** Runs a call; its place is returned however the call ends. */
    private static void guarded(Runnable call) {
        try {
            call.run();
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "the loop of a blocking call has ended meanwhile: " + e.getMessage());
        } catch (RuntimeException | Error e) {
            OutOfMemory.check(e);
            LOG.log(Level.ERROR, "a blocking call failed", e);
        }
    }

    private void release(Share share) {
        share.running--;
        if (share.running >= OWN) {
            common--;
        }
    }
}
