package org.blktap.node.xen;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/** The XenBus thread of a simulated process, which can die: then nothing that is given to it is done any more. */
final class TestBus implements XenBus, AutoCloseable {
    private final XenBusThread thread = new XenBusThread();
    private final List<XenStoreListener> listeners = new ArrayList<>();
    private XenStore store;
    private volatile boolean dead;
    private volatile Throwable failure;

    @Override
    public void execute(Runnable task) {
        try {
            thread.execute(() -> run(task));
        } catch (RejectedExecutionException e) {
            if (!dead) {
                throw e;
            }
        }
    }

    @Override
    public void after(long milliseconds, Runnable task) {
        thread.after(milliseconds, () -> run(task));
    }

    @Override
    public long busyMilliseconds() {
        return thread.busyMilliseconds();
    }

    private void run(Runnable task) {
        if (dead) {
            return;
        }
        try {
            task.run();
        } catch (RuntimeException | Error e) {
            failure = dead ? failure : e;
            throw e;
        }
    }

    /** Nothing has thrown on the thread so far. */
    void check() {
        if (failure != null) {
            throw new AssertionError("on the XenBus thread", failure);
        }
    }

    @Override
    public Registration listen(XenStoreListener listener) {
        execute(() -> {
            listeners.add(listener);
            if (store != null) {
                listener.onConnected(store);
            }
        });
        return () -> execute(() -> listeners.remove(listener));
    }

    /** XenStore appears. */
    void connect(XenStore appeared) {
        execute(() -> {
            store = appeared;
            List.copyOf(listeners).forEach(l -> l.onConnected(appeared));
        });
    }

    /** Waits until all that was given so far is done. */
    void settle() throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        execute(done::countDown);
        if (!dead && !done.await(2, TimeUnit.MINUTES)) {
            throw new AssertionError("the XenBus thread does not end what it does");
        }
    }

    /** Nothing of the process runs on here. */
    void die() {
        dead = true;
    }

    /** The process dies. */
    void kill() {
        die();
        thread.close(60_000);
    }

    @Override
    public void close() {
        thread.close(60_000);
    }
}
