package org.blktap.core;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeMemory;

/**
 * The means that one piece of work on images has: a loop with an engine's queue, for as long as it takes. For one
 * control thread.
 */
record ImageDesk(IoLoop loop, OpenEnvironment environment, List<OpenContext> contexts) {
    private static final long CLOSING_SECONDS = 10;
    private static final long LOOK_MILLISECONDS = 2;

    /** A piece of work. */
    interface Work<T> {
        T run(ImageDesk desk) throws DiskException;
    }

    /**
     * Does a piece of work, and takes down what it has had.
     *
     * @param engine null if none is present
     */
    static <T> T with(
            LoopFactory loops,
            NativeMemory memory,
            Registry<DiskDriver> drivers,
            PathPolicy paths,
            Registry.Entry<IoEngine> engine,
            Work<T> work)
            throws DiskException {
        if (engine == null) {
            throw new DiskException(Reason.WRONG_TYPE, "no I/O engine is present");
        }
        List<AutoCloseable> kept = new ArrayList<>();
        try (IoLoop loop = loops.start("blktap-image")) {
            IoQueue queue = call(loop, () -> EngineCalls.open(engine.service(), loop));
            List<OpenContext> contexts = new ArrayList<>();
            try {
                return work.run(new ImageDesk(
                        loop,
                        new OpenEnvironment(
                                loop,
                                queue,
                                memory,
                                drivers,
                                paths,
                                new HashSet<>(),
                                kept,
                                new CopyOnWriteArrayList<>(),
                                OpenEnvironment.REQUESTS_FAIL),
                        contexts));
            } finally {
                contexts.forEach(OpenContext::close);
                call(loop, () -> {
                    queue.close();
                    return null;
                });
                for (AutoCloseable resource : kept) {
                    close(resource);
                }
                awaitHelpers(loop);
            }
        }
    }

    OpenContext context(boolean readOnly, Options options) {
        OpenContext context = new OpenContext(environment, readOnly, options);
        contexts.add(context);
        return context;
    }

    /** Closes a disk that was opened with a context. */
    void close(VirtualDisk disk) throws DiskException {
        call(loop, () -> {
            disk.close();
            return null;
        });
    }

    /**
     * Waits for what the closing of disks has left to helper threads, such as the release of a lock: this process may
     * end afterwards.
     */
    private static void awaitHelpers(IoLoop loop) throws DiskException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(CLOSING_SECONDS);
        try {
            while (call(loop, loop::offloaded) > 0 && System.nanoTime() < end) {
                Thread.sleep(LOOK_MILLISECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void close(AutoCloseable resource) throws DiskException {
        try {
            resource.close();
        } catch (Exception e) {
            throw new DiskException(Reason.IO, "closing: " + e, e);
        }
    }

    private static <T> T call(IoLoop loop, Callable<T> task) throws DiskException {
        try {
            return loop.call(task);
        } catch (DiskException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new DiskException(Reason.IO, e.toString(), e);
        }
    }
}
