package org.blktap.linux;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopFactory;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/** Starts {@link EpollLoop}s, and owns the helper threads that they share for blocking calls. */
@Component
public final class EpollLoops implements LoopFactory {
    /** Enough to keep several disks' fallocate and fdatasync calls in the kernel at once. */
    private static final int HELPERS = 16;

    private final ThreadPoolExecutor helpers;

    public EpollLoops() {
        AtomicInteger number = new AtomicInteger();
        helpers = new ThreadPoolExecutor(HELPERS, HELPERS, 10, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), task -> {
            Thread thread = new Thread(task, "blktap-helper-" + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        });
        helpers.allowCoreThreadTimeOut(true);
    }

    @Override
    public IoLoop start(String name) {
        return EpollLoop.start(name, helpers);
    }

    ExecutorService helpers() {
        return helpers;
    }

    @Deactivate
    public void stop() {
        helpers.shutdown();
    }
}
