package org.blktap.node.xen;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;
import org.blktap.ring.BackRing;
import org.blktap.ring.Blkif;
import org.blktap.ring.RequestLog;

/**
 * A connection with a frontend: its rings, mapped, their event channels, and how the data of requests is reached. A stage of the loop, which takes from
 * the rings, answers and notifies. Made anew for each connection; ended by {@link #stop} or {@link #close}. Loop only.
 */
final class BlkDevice implements LoopStage {
    /** What Linux's backend keeps mapped for each request: 32 segments and a page of indirect ones. */
    private static final int GRANTS_PER_ENTRY = 33;
    private static final int GRANTS_MAX = 16384;

    private final NodeContext context;
    private final GuestLog log;
    private final FrontendParameters frontend;
    private final GrantTable table;
    private final EventChannels events;
    private GrantCopies copies;
    private final BounceBuffers buffers;
    private final RequestLogFile logFile;
    private final BlkQueue[] queues;
    private final IoLoop.Watch watch;
    private boolean mapsPages;
    /** Null where data is copied. */
    private PersistentGrants grants;
    /** What to do when nothing is in flight; from then on nothing is taken. */
    private Runnable stopped;
    private boolean closed;

    private BlkDevice(NodeContext context, GuestLog log, FrontendParameters frontend, RequestLogFile logFile, GrantTable table, EventChannels events)
            throws IOException {
        this.context = context;
        this.log = log;
        this.frontend = frontend;
        this.logFile = logFile;
        this.table = table;
        this.events = events;
        queues = new BlkQueue[frontend.queues().size()];
        buffers = new BounceBuffers(context.memory());
        try {
            copies = new GrantCopies(context.memory(), table, frontend.domain());
            mapRings();
            watch = context.loop().watch(events.fd(), IoLoop.READABLE, ready -> events.take());
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            release();
            throw e;
        }
    }

    /**
     * Connects, and begins to serve: where an earlier process stopped, if the log is of this very connection.
     *
     * @param connection tells this connection from all others
     * @throws IOException what could not be mapped or bound; nothing is left
     */
    static BlkDevice connect(NodeContext context, GuestLog log, Hypervisor xen, FrontendParameters frontend, RequestLogFile logFile,
            ConnectionIdentity connection) throws IOException {
        GrantTable table = xen.openGrants();
        EventChannels events;
        try {
            events = xen.openEvents();
        } catch (IOException e) {
            table.close();
            throw e;
        }
        BlkDevice device = new BlkDevice(context, log, frontend, logFile, table, events);
        for (int i = 0; i < device.queues.length; i++) {
            device.queues[i].start(connection.ofQueue(i));
        }
        context.loop().addNode(device);
        return device;
    }

    private void mapRings() throws IOException {
        List<BackRing> rings = new ArrayList<>();
        long logBytes = 0;
        int entries = 0;
        boolean reachable = true;
        for (FrontendParameters.Queue queue : frontend.queues()) {
            long address = map(queue.ringRefs());
            reachable &= table.reachesDisks(address);
            BackRing ring = new BackRing(address, queue.ringRefs().size(), frontend.abi());
            rings.add(ring);
            entries += ring.entries();
            logBytes += RequestLog.bytes(ring.entries());
        }
        mapsPages = reachable;
        if (reachable && frontend.persistent()) {
            grants = new PersistentGrants(context.memory(), table, frontend.domain(), Math.min(GRANTS_MAX, entries * GRANTS_PER_ENTRY));
        }
        long requestLog = logFile.open(logBytes);
        for (int i = 0; i < queues.length; i++) {
            BackRing ring = rings.get(i);
            int port = events.bind(frontend.domain(), frontend.queues().get(i).eventChannel());
            queues[i] = new BlkQueue(this, i, ring, new RequestLog(requestLog, ring.entries(), frontend.abi()), port);
            requestLog += RequestLog.bytes(ring.entries());
        }
    }

    private long map(List<Integer> refs) throws IOException {
        try (NativeBuffer list = context.memory().allocate((long) refs.size() * Integer.BYTES)) {
            for (int i = 0; i < refs.size(); i++) {
                Memory.putInt(list.address() + (long) i * Integer.BYTES, refs.get(i));
            }
            long address = table.map(frontend.domain(), list.address(), refs.size());
            if (address == 0) {
                throw new IOException("domain " + frontend.domain() + " has not granted its ring's pages, references " + refs);
            }
            return address;
        }
    }

    /** For what its guest can cause. */
    GuestLog log() {
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

    /** The pages that are mapped and stay so, or null where data is copied. */
    PersistentGrants grants() {
        return grants;
    }

    /** Whether data can move between the frontend's pages and disks directly, so that it is worth their being persistent. */
    boolean mapsPages() {
        return mapsPages;
    }

    FrontendParameters frontend() {
        return frontend;
    }

    // ---- a turn

    @Override
    public boolean poll() {
        if (stopped != null) {
            return false;
        }
        boolean some = false;
        for (BlkQueue queue : queues) {
            some |= queue.take();
        }
        return some;
    }

    @Override
    public void flush() {
        for (BlkQueue queue : queues) {
            if (stopped != null) {
                // the disk may have been closed between the two steps of a request
                queue.dropHeld();
            }
            queue.publish();
        }
        if (stopped != null && inFlight() == 0) {
            Runnable task = stopped;
            close();
            task.run();
        }
    }

    @Override
    public boolean arm() {
        if (stopped != null) {
            return false;
        }
        boolean some = false;
        for (BlkQueue queue : queues) {
            some |= queue.arm();
        }
        return some;
    }

    @Override
    public boolean pollable() {
        return true;
    }

    int inFlight() {
        int all = 0;
        for (BlkQueue queue : queues) {
            all += queue.inFlight();
        }
        return all;
    }

    // ---- the end

    /** Takes nothing more, and when nothing is in flight unmaps everything and runs a task, perhaps at once. */
    void stop(Runnable whenStopped) {
        stopped = whenStopped;
        for (BlkQueue queue : queues) {
            queue.dropHeld();
        }
        flush();
    }

    /** Unmaps and unbinds everything; nothing is in flight. The log stays for whoever connects next. Idempotent. */
    void close() {
        if (closed) {
            return;
        }
        closed = true;
        // what has ended in this very turn is answered, too
        for (BlkQueue queue : queues) {
            queue.publish();
        }
        stopped = null;
        context.loop().remove(this);
        watch.close();
        release();
    }

    private void release() {
        for (BlkQueue queue : queues) {
            if (queue != null) {
                queue.close();
            }
        }
        if (grants != null) {
            grants.close();
        }
        if (copies != null) {
            copies.close();
        }
        buffers.close();
        events.close();
        table.close();
        logFile.close();
    }

    Map<String, String> status() {
        Map<String, String> status = new LinkedHashMap<>();
        status.put("queues", Integer.toString(queues.length));
        status.put("ring entries", Integer.toString(queues[0].entries()));
        status.put("protocol", queues[0].abi().toString().toLowerCase(java.util.Locale.ROOT));
        status.put("data", grants == null ? "copied" : "mapped, " + grants.count() + " pages");
        for (BlkQueue queue : queues) {
            if (queue.halted() != null) {
                status.put("stopped", queue.halted());
            }
        }
        return status;
    }
}
