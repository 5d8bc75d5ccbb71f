package org.blktap.node.xen;

import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;

/**
 * Work that may take long, as opening an image: one piece at a time and in order for each domain, and for several domains at once, so that the image of one,
 * which does not answer, holds no other up. Any thread.
 */
final class DomainWork {
    /** Domains that are worked for at once. */
    private static final int THREADS = Integer.getInteger("blktap.xen.opening", 16);
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");

    private final ExecutorService threads = Executors.newFixedThreadPool(THREADS, task -> {
        Thread thread = new Thread(task, "blktap-toolstack");
        thread.setDaemon(true);
        return thread;
    });
    /** What waits behind the piece that is under way, of each domain that has one. */
    private final Map<Integer, Queue<Runnable>> waiting = new HashMap<>();

    synchronized void execute(int domain, Runnable task) {
        Queue<Runnable> behind = waiting.get(domain);
        if (behind != null) {
            behind.add(task);
            return;
        }
        waiting.put(domain, new ArrayDeque<>());
        start(domain, task);
    }

    private void start(int domain, Runnable task) {
        try {
            threads.execute(() -> {
                XenBusThread.run(task);
                next(domain);
            });
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "the bundle is stopping");
            waiting.remove(domain);
        }
    }

    /** The next piece goes to the end of all domains' work. */
    private synchronized void next(int domain) {
        Runnable task = waiting.get(domain).poll();
        if (task == null) {
            waiting.remove(domain);
        } else {
            start(domain, task);
        }
    }

    /** What is under way is not waited for; what waits behind it is dropped. */
    void close() {
        threads.shutdown();
    }
}
