package org.blktap.node.xen;

import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DiskPort;
import org.blktap.linux.Libc;

/**
 * Serves the rings of a connection with a frontend, as a stage of the loop: takes from them, answers and notifies. Made
 * anew for each connection; ended by {@link #stop} or {@link #close}. Whatever throws in it ends this connection only,
 * see {@link #failed}. Loop only.
 */
final class BlkifDevice implements LoopStage {
    private final BlkifConnection connection;
    private final LimitedLog log;
    private final boolean writable;
    private final Consumer<String> whenFailed;
    private final SpareMemory spare;
    private final RequestRoom room = new RequestRoom();
    private final BlkifQueue[] queues;
    private final IoLoop.Watch watch;
    /** What to do when nothing is in flight; from then on nothing is taken. */
    private Runnable stopped;
    /** Why it serves nothing more, or null. */
    private String failure;
    /** Closed while requests were at the disk: what they use is freed when they have ended. */
    private boolean abandoned;

    private boolean closed;

    private BlkifDevice(BlkifConnection connection, boolean writable, Consumer<String> whenFailed) {
        this.connection = connection;
        this.log = connection.log();
        this.writable = writable;
        this.whenFailed = whenFailed;
        queues = new BlkifQueue[connection.rings().size()];
        try (CloseOnFailure opened = new CloseOnFailure(this::release)) {
            spare = new SpareMemory(connection.context().loop(), connection.buffers(), connection.copies());
            for (int i = 0; i < queues.length; i++) {
                queues[i] = new BlkifQueue(this, i, connection.rings().get(i));
            }
            watch = connection.context().loop().watch(connection.events().fd(), IoLoop.READABLE, ready -> takeEvent());
            opened.keep();
        }
    }

    /**
     * Begins to serve: where an earlier process stopped, if the log is of this very connection.
     *
     * @param connection is closed with the device, also if this throws
     * @param writable whether the guest may write
     * @param identity distinguishes this connection from all others
     * @param whenFailed called at most once, with the reason, if the device fails later
     */
    static BlkifDevice start(
            BlkifConnection connection, boolean writable, ConnectionIdentity identity, Consumer<String> whenFailed) {
        BlkifDevice device = new BlkifDevice(connection, writable, whenFailed);
        try (CloseOnFailure opened = new CloseOnFailure(device::close)) {
            for (int i = 0; i < device.queues.length; i++) {
                device.queues[i].start(identity.ofQueue(i));
            }
            settle();
            connection.context().loop().addNode(device);
            return opened.keep(device);
        }
    }

    /**
     * Has the JVM deliver here what an access to memory that is gone has thrown: it does so when a native call returns,
     * and until then compiled code may go on with a value that was never read. Any call does; this one stays in the
     * process, as a system call of a paravirtual dom0 takes the way through Xen.
     */
    static void settle() {
        Libc.getpagesize();
    }

    /** Whether the guest may write, as its toolstack says; the disk may refuse it all the same. */
    boolean writable() {
        return writable;
    }

    /** The log for what its guest can cause. */
    LimitedLog log() {
        return log;
    }

    DiskPort port() {
        return connection.context().port();
    }

    NativeMemory memory() {
        return connection.context().memory();
    }

    EventChannels events() {
        return connection.events();
    }

    GrantCopies copies() {
        return connection.copies();
    }

    BounceBuffers buffers() {
        return connection.buffers();
    }

    RequestRoom room() {
        return room;
    }

    /** The pages that are mapped and stay so, or null where data is copied. */
    PersistentGrants grants() {
        return connection.grants();
    }

    /**
     * Whether data can move between the frontend's pages and disks directly, so that it is worth their being
     * persistent.
     */
    boolean mapsPages() {
        return connection.mapsPages();
    }

    FrontendParameters frontend() {
        return connection.frontend();
    }

    // ---- a turn

    @Override
    public boolean poll() {
        if (stopped != null || failure != null) {
            return false;
        }
        boolean some = false;
        try {
            for (BlkifQueue queue : queues) {
                some |= queue.take();
            }
        } catch (RuntimeException | Error e) {
            failed(e);
        }
        return some;
    }

    @Override
    public void flush() {
        publish();
        if (stopped != null && inFlight() == 0) {
            Runnable task = stopped;
            close();
            task.run();
        }
    }

    private void publish() {
        try {
            boolean some = false;
            for (BlkifQueue queue : queues) {
                if (stopped != null) {
                    // the disk may have been closed between the two steps of a request
                    queue.takeBack();
                    queue.dropHeld();
                }
                some |= queue.publish();
            }
            if (some) {
                settle();
                spare.freeLater();
            }
        } catch (RuntimeException | Error e) {
            failed(e);
        }
    }

    @Override
    public boolean arm() {
        if (stopped != null || failure != null) {
            return false;
        }
        boolean some = false;
        try {
            for (BlkifQueue queue : queues) {
                some |= queue.arm();
            }
            settle();
        } catch (RuntimeException | Error e) {
            failed(e);
        }
        return some;
    }

    @Override
    public boolean pollable() {
        return failure == null;
    }

    private void takeEvent() {
        try {
            connection.events().take();
        } catch (RuntimeException | Error e) {
            failed(e);
        }
    }

    int inFlight() {
        int all = 0;
        for (BlkifQueue queue : queues) {
            all += queue.inFlight();
        }
        return all;
    }

    // ---- the end

    /**
     * Ends the service of all rings, whatever has thrown: memory of the guest that is gone, Xen, the disk, or a mistake
     * of ours. Logged once. What is at the disk ends unanswered; the node then has the frontend close the device, and
     * closes this.
     */
    void failed(Throwable e) {
        if (failure != null || closed) {
            return;
        }
        boolean memoryGone = e instanceof InternalError;
        failure = memoryGone ? "memory of its rings or of its request log was gone when it was used" : "failed: " + e;
        for (BlkifQueue queue : queues) {
            queue.stop(failure);
        }
        watch.close();
        log.log(memoryGone ? Level.WARNING : Level.ERROR, failure, memoryGone ? null : e);
        whenFailed.accept(failure);
    }

    /** Takes nothing more and answers nothing more; what requests in flight use stays until {@link #close}. */
    void cutOff() {
        publish();
        for (BlkifQueue queue : queues) {
            queue.stop("cut off");
        }
    }

    /** Takes nothing more, and when nothing is in flight unmaps everything and runs a task, perhaps at once. */
    void stop(Runnable whenStopped) {
        stopped = whenStopped;
        flush();
    }

    /**
     * Unmaps and unbinds everything. If requests are still at a disk that was cut off, that waits until they have
     * ended, since they use it. The log stays for the next connection. Idempotent.
     */
    void close() {
        if (closed) {
            return;
        }
        // what has ended in this very turn is answered, too
        publish();
        closed = true;
        stopped = null;
        connection.context().loop().remove(this);
        watch.close();
        spare.stop();
        int atDisk = inFlight();
        for (BlkifQueue queue : queues) {
            if (queue != null) {
                queue.takeBack();
            }
            // what is between two steps belongs to no queue, and stays in the log for the next process
            atDisk -= queue == null ? 0 : queue.betweenSteps();
        }
        if (atDisk > 0) {
            abandoned = true;
            for (BlkifQueue queue : queues) {
                queue.stop("closed");
            }
            log.log(
                    Level.WARNING,
                    "closed while " + inFlight() + " requests are at the disk: their memory is kept until they end");
        } else {
            release();
        }
    }

    /** A request has ended. */
    void ended() {
        if (abandoned) {
            int left = inFlight();
            for (BlkifQueue queue : queues) {
                left -= queue.ended() + queue.betweenSteps();
            }
            if (left == 0) {
                abandoned = false;
                release();
            }
        }
    }

    private void release() {
        for (BlkifQueue queue : queues) {
            connection.release(queue == null ? null : queue::close);
        }
        connection.close();
    }

    Map<String, String> status() {
        Map<String, String> status = new LinkedHashMap<>();
        status.put("queues", Integer.toString(queues.length));
        status.put("ring entries", Integer.toString(queues[0].entries()));
        status.put("protocol", queues[0].abi().toString().toLowerCase(java.util.Locale.ROOT));
        PersistentGrants grants = connection.grants();
        status.put("data", grants == null ? "copied" : "mapped, " + grants.count() + " pages");
        for (BlkifQueue queue : queues) {
            if (queue.halted() != null) {
                status.put("stopped", queue.halted());
            }
        }
        return status;
    }
}
