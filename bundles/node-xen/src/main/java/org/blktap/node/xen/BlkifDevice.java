package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;
import org.blktap.linux.Libc;
import org.blktap.ring.BackRing;
import org.blktap.ring.RequestLog;

/**
 * A connection with a frontend: its rings, mapped, their event channels, and how the data of requests is reached. A
 * stage of the loop, which takes from the rings, answers and notifies. Made anew for each connection; ended by
 * {@link #stop} or {@link #close}. Whatever throws in it ends this connection only, see {@link #failed}. Loop only.
 */
final class BlkifDevice implements LoopStage {
    /** What Linux's backend keeps mapped for each request: 32 segments and a page of indirect ones. */
    private static final int GRANTS_PER_ENTRY = 33;

    private static final int GRANTS_MAX = 16384;

    private final NodeContext context;
    private final LimitedLog log;
    private final FrontendParameters frontend;
    private final GrantTable table;
    private final EventChannels events;
    private final boolean writable;
    private final GuestLimits limits;
    private final Consumer<String> whenFailed;
    private GrantCopies copies;
    private final BounceBuffers buffers;
    private SpareMemory spare;
    private final RequestRoom room = new RequestRoom();
    private final RequestLogFile logFile;
    /** The private copies of all rings' requests. */
    private NativeBuffer requestCopies;
    /** What it has taken of what all guests share. */
    private final RingShares shares;

    private final BlkifQueue[] queues;
    private final IoLoop.Watch watch;
    private boolean mapsPages;
    /** Mapped grants; null where data is copied. */
    private PersistentGrants grants;
    /** What to do when nothing is in flight; from then on nothing is taken. */
    private Runnable stopped;
    /** Why it serves nothing more, or null. */
    private String failure;
    /** Closed while requests were at the disk: what they use is freed when they have ended. */
    private boolean abandoned;

    private boolean closed;

    private BlkifDevice(
            NodeContext context,
            LimitedLog log,
            FrontendParameters frontend,
            boolean writable,
            RequestLogFile logFile,
            GuestLimits limits,
            GrantTable table,
            EventChannels events,
            Consumer<String> whenFailed)
            throws IOException {
        this.context = context;
        this.log = log;
        this.frontend = frontend;
        this.writable = writable;
        this.logFile = logFile;
        this.table = table;
        this.events = events;
        this.limits = limits;
        this.whenFailed = whenFailed;
        queues = new BlkifQueue[frontend.queues().size()];
        shares = new RingShares(limits, context.memory(), table, frontend);
        buffers = new BounceBuffers(context.memory(), limits.buffers(), frontend.domain());
        try (CloseOnFailure opened = new CloseOnFailure(this::release)) {
            copies = new GrantCopies(context.memory(), table, frontend.domain());
            spare = new SpareMemory(context.loop(), buffers, copies);
            mapRings();
            watch = context.loop().watch(events.fd(), IoLoop.READABLE, ready -> takeEvent());
            opened.keep();
        }
    }

    /**
     * Connects, and begins to serve: where an earlier process stopped, if the log is of this very connection.
     *
     * @param writable whether the guest may write
     * @param connection distinguishes this connection from all others
     * @param whenFailed called at most once, with the reason, if the device fails later
     * @throws IOException what could not be mapped or bound; nothing is left
     */
    static BlkifDevice connect(
            NodeContext context,
            LimitedLog log,
            Hypervisor xen,
            GuestLimits limits,
            FrontendParameters frontend,
            boolean writable,
            RequestLogFile logFile,
            ConnectionIdentity connection,
            Consumer<String> whenFailed)
            throws IOException {
        GrantTable table = xen.openGrants();
        try (CloseOnFailure opened = new CloseOnFailure(table::close)) {
            EventChannels events = xen.openEvents();
            // from here on the device closes both, also if its constructor throws
            opened.keep();
            BlkifDevice device =
                    new BlkifDevice(context, log, frontend, writable, logFile, limits, table, events, whenFailed);
            opened.add(device::close);
            for (int i = 0; i < device.queues.length; i++) {
                device.queues[i].start(connection.ofQueue(i));
            }
            settle();
            context.loop().addNode(device);
            return opened.keep(device);
        }
    }

    /**
     * Has the JVM deliver here what an access to memory that is gone has thrown: it does so when a native call returns,
     * and until then compiled code may go on with a value that was never read. One cheap system call for a batch.
     */
    static void settle() {
        Libc.getuid();
    }

    private void mapRings() throws IOException {
        List<BackRing> rings = new ArrayList<>();
        long logBytes = 0;
        int entries = 0;
        boolean reachable = true;
        shares.takeEntries();
        for (FrontendParameters.Queue queue : frontend.queues()) {
            long address = shares.map(queue.ringRefs());
            reachable &= table.reachesDisks(address);
            BackRing ring = new BackRing(address, queue.ringRefs().size(), frontend.abi());
            rings.add(ring);
            entries += ring.entries();
            logBytes += RequestLog.bytes(ring.entries());
        }
        mapsPages = reachable;
        if (reachable && frontend.persistent()) {
            grants = new PersistentGrants(
                    context.memory(),
                    table,
                    limits,
                    frontend.domain(),
                    Math.min(GRANTS_MAX, entries * GRANTS_PER_ENTRY));
        }
        requestCopies = context.memory().allocate(RequestLog.copyBytes(entries));
        long copy = requestCopies.address();
        long requestLog = logFile.open(logBytes);
        for (int i = 0; i < queues.length; i++) {
            BackRing ring = rings.get(i);
            int port = events.bind(frontend.domain(), frontend.queues().get(i).eventChannel());
            queues[i] = new BlkifQueue(
                    this, i, ring, new RequestLog(requestLog, ring.entries(), frontend.abi(), copy), port);
            copy += RequestLog.copyBytes(ring.entries());
            requestLog += RequestLog.bytes(ring.entries());
        }
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
        return context.port();
    }

    NativeMemory memory() {
        return context.memory();
    }

    EventChannels events() {
        return events;
    }

    GrantCopies copies() {
        return copies;
    }

    BounceBuffers buffers() {
        return buffers;
    }

    RequestRoom room() {
        return room;
    }

    /** The pages that are mapped and stay so, or null where data is copied. */
    PersistentGrants grants() {
        return grants;
    }

    /**
     * Whether data can move between the frontend's pages and disks directly, so that it is worth their being
     * persistent.
     */
    boolean mapsPages() {
        return mapsPages;
    }

    FrontendParameters frontend() {
        return frontend;
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
            events.take();
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
        context.loop().remove(this);
        watch.close();
        spare.stop();
        int atDisk = inFlight();
        for (BlkifQueue queue : queues) {
            // what is between two steps is at nobody, and stays in the log for the next process
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
                left -= queue.ended();
            }
            if (left == 0) {
                abandoned = false;
                release();
            }
        }
    }

    /** Releases each on its own: an exception of one does not keep the others. */
    private void release() {
        for (BlkifQueue queue : queues) {
            release(queue == null ? null : queue::close);
        }
        release(grants);
        release(copies);
        release(buffers);
        release(events);
        release(table);
        release(logFile);
        release(requestCopies);
        release(shares);
    }

    private void release(AutoCloseable part) {
        try {
            if (part != null) {
                part.close();
            }
        } catch (Exception | Error e) {
            log.log(Level.ERROR, "cannot be closed: " + e, e);
        }
    }

    Map<String, String> status() {
        Map<String, String> status = new LinkedHashMap<>();
        status.put("queues", Integer.toString(queues.length));
        status.put("ring entries", Integer.toString(queues[0].entries()));
        status.put("protocol", queues[0].abi().toString().toLowerCase(java.util.Locale.ROOT));
        status.put("data", grants == null ? "copied" : "mapped, " + grants.count() + " pages");
        for (BlkifQueue queue : queues) {
            if (queue.halted() != null) {
                status.put("stopped", queue.halted());
            }
        }
        return status;
    }
}
