package org.blktap.node.xen;

import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import org.blktap.api.settings.Setting;

/**
 * Work that may take long, as opening an image: one piece at a time and in order for each party, and for several parties at once, so that the
 * image of one, which does not answer, holds no other up. Any thread.
 */
final class SharedWork {
    /** Parties that are worked for at once. */
    private static final int THREADS = Setting.number("blktap.xen.opening", 16, 1, 1024);
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");

    private final ExecutorService threads = Executors.newFixedThreadPool(THREADS, task -> {
        Thread thread = new Thread(task, "blktap-toolstack");
        thread.setDaemon(true);
        return thread;
    });
    /** What waits for the piece that is under way, of each party that has one. */
    private final Map<Object, Queue<Runnable>> waiting = new HashMap<>();

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
