package org.blktap.node.xen;

import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntSupplier;

/**
 * Work that may take long, as opening an image: one piece at a time and in order for each party, and for several
 * parties at once, so that the image of one, which does not answer, holds no other up. Any thread.
 */
final class SharedWork {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");

    private final IntSupplier atOnce;
    private final ThreadPoolExecutor threads;
    private final AtomicInteger numbers = new AtomicInteger();
    /** What waits for the piece that is under way, of each party that has one. */
    private final Map<Object, Queue<Runnable>> waiting = new HashMap<>();

    /** @param atOnce parties whose work runs at the same time */
    SharedWork(IntSupplier atOnce) {
        this.atOnce = atOnce;
        threads = new ThreadPoolExecutor(
                atOnce.getAsInt(), atOnce.getAsInt(), 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
                    Thread thread = new Thread(task, "blktap-toolstack-" + numbers.incrementAndGet());
                    thread.setDaemon(true);
                    return thread;
                });
    }

    synchronized void execute(Object party, Runnable task) {
        Queue<Runnable> behind = waiting.get(party);
        if (behind != null) {
            behind.add(task);
            return;
        }
        waiting.put(party, new ArrayDeque<>());
        start(party, task);
    }

    private void start(Object party, Runnable task) {
        fit();
        try {
            threads.execute(() -> {
                XenBusThread.run(task);
                next(party);
            });
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "the bundle is stopping");
            waiting.remove(party);
        }
    }

    private void fit() {
        int wanted = atOnce.getAsInt();
        if (wanted > threads.getMaximumPoolSize()) {
            threads.setMaximumPoolSize(wanted);
            threads.setCorePoolSize(wanted);
        } else if (wanted < threads.getMaximumPoolSize()) {
            threads.setCorePoolSize(wanted);
            threads.setMaximumPoolSize(wanted);
        }
    }

    /** The next piece goes to the end of all parties' work. */
    private synchronized void next(Object party) {
        Runnable task = waiting.get(party).poll();
        if (task == null) {
            waiting.remove(party);
        } else {
            start(party, task);
        }
    }

    /** What is under way is not waited for; what waits for it is dropped. */
    void close() {
        threads.shutdown();
    }
}
