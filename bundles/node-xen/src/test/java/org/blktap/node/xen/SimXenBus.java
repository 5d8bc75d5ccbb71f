package org.blktap.node.xen;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/** The XenBus thread of tests: nothing runs until the test says so, and then on the test's own thread. */
final class SimXenBus implements XenBus {
    /** More tasks than that in one {@link #runAll} are two parties that answer each other for ever. */
    private static final int TASKS_MAX = 100_000;

    private final Queue<Runnable> tasks = new ArrayDeque<>();
    private final List<XenStoreListener> listeners = new ArrayList<>();
    private SimXenStore connected;

    @Override
    public synchronized void execute(Runnable task) {
        tasks.add(task);
    }

    /** Time does not count here. */
    @Override
    public void after(long milliseconds, Runnable task) {
        execute(task);
    }

    @Override
    public long busyMilliseconds() {
        return 0;
    }

    /**
     * Runs what is pending, and what comes of it, until nothing is left. Unlike the real one it lets exceptions out.
     */
    int runAll() {
        int count = 0;
        while (runOne()) {
            if (++count > TASKS_MAX) {
                throw new AssertionError("no end after " + TASKS_MAX + " tasks");
            }
        }
        return count;
    }

    /** Runs the oldest task; false when there is none. */
    boolean runOne() {
        Runnable task;
        synchronized (this) {
            task = tasks.poll();
        }
        if (task == null) {
            return false;
        }
        task.run();
        return true;
    }

    synchronized int pending() {
        return tasks.size();
    }

    @Override
    public Registration listen(XenStoreListener listener) {
        execute(() -> {
            listeners.add(listener);
            if (connected != null) {
                listener.onConnected(connected);
            }
        });
        return () -> execute(() -> listeners.remove(listener));
    }

    /** XenStore appears. */
    void connect(SimXenStore store) {
        execute(() -> {
            connected = store;
            List.copyOf(listeners).forEach(l -> l.onConnected(store));
        });
    }

    /** The connection breaks: calls of the store fail from now on. */
    void lose() {
        connected.lose();
        execute(() -> {
            connected = null;
            List.copyOf(listeners).forEach(XenStoreListener::onLost);
        });
    }
}
