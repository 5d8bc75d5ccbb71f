package org.blktap.node.vhostuser;

import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.LoopStage;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.Segments;
import org.blktap.api.node.DiskPort;
import org.blktap.api.node.NodeContext;

/**
 * The device that one client sees: its rings, the guest's memory, the negotiated features. A stage of the loop, which
 * takes requests from the rings, answers them and notifies.
 */
final class VirtioBlkDevice implements LoopStage, MemoryGuard.Outcome {
    private static final int EVENT_ONE = 64;
    private static final int ID = 128;

    private final String name;
    private final IoLoop loop;
    private final DiskPort port;
    private final NodeParts parts;
    private final Failure failure;
    private final EventWrites eventWrites = new EventWrites();
    private final VhostUserLimits.MemoryShare memoryShare;
    private final RequestPool pool;
    private final NativeBuffer scratch;
    private final DescriptorChain chain = new DescriptorChain();
    private final GuestMemory guest = new GuestMemory();
    private final VirtioBlkQueue[] queues;
    private InflightRegion inflight;
    private long features;
    private boolean writeback = true;
    /** The queue that is polled first. */
    private int first;
    /** The queue at work. */
    private VirtioBlkQueue at;
    // made once: a turn allocates nothing
    private final MemoryGuard.Work takes = this::take;
    private final MemoryGuard.Work publishes = this::publishAll;
    private final MemoryGuard.Work arms = this::armAll;
    /** Task that waits for the end of all requests; meanwhile none is taken. */
    private Runnable quiet;
    /** Non-null if the client must be disconnected, until that is reported. */
    private Doom doom;

    private record Doom(String why, Throwable cause) {}

    /**
     * Called at the end of a turn if the client must be disconnected; the cause is null unless it is a failure of this
     * side.
     */
    @FunctionalInterface
    interface Failure {
        void failed(String why, Throwable cause);
    }

    VirtioBlkDevice(NodeContext context, int queueCount, NodeParts parts, Failure failure) {
        this.parts = parts;
        this.failure = failure;
        memoryShare = parts.limits().memoryShare();
        pool = new RequestPool(this, parts.limits().requests.share());
        name = context.id();
        loop = context.loop();
        port = context.port();
        scratch = context.memory().allocate(Alignment.PAGE);
        Memory.putLong(scratch.address() + EVENT_ONE, 1);
        byte[] id = context.id().getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < Math.min(id.length, VirtioBlk.ID_BYTES); i++) {
            Memory.putByte(scratch.address() + ID + i, id[i]);
        }
        queues = new VirtioBlkQueue[queueCount];
        Arrays.setAll(queues, i -> new VirtioBlkQueue(this, i));
        parts.limits().stuckWrites.add(eventWrites);
        loop.addNode(this);
    }

    ClientLog log() {
        return parts.log();
    }

    BlockingCalls calls() {
        return parts.calls();
    }

    EventWrites eventWrites() {
        return eventWrites;
    }

    VhostUserLimits.MemoryShare memoryShare() {
        return memoryShare;
    }

    RequestPool pool() {
        return pool;
    }

    IoLoop loop() {
        return loop;
    }

    DiskPort port() {
        return port;
    }

    DescriptorChain chain() {
        return chain;
    }

    GuestMemory guest() {
        return guest;
    }

    VirtioBlkQueue[] queues() {
        return queues;
    }

    /** Address of a buffer for a header that is in several pieces. */
    long scratch() {
        return scratch.address();
    }

    /** Address of eight bytes that add one to an eventfd. */
    long eventOne() {
        return scratch.address() + EVENT_ONE;
    }

    /** Fills the data of a GET_ID. Returns the bytes written. */
    int copyId(Segments in) {
        int bytes = (int) Math.min(VirtioBlk.ID_BYTES, in.total() - 1);
        in.copyFrom(scratch.address() + ID, 0, bytes);
        return bytes;
    }

    // ---- what was negotiated

    long features() {
        return features;
    }

    void features(long negotiated) {
        features = negotiated;
    }

    /** Without the protocol's feature bit there is no SET_VRING_ENABLE, and rings are always enabled. */
    boolean ringsAlwaysEnabled() {
        return (features & VirtioBlk.F_PROTOCOL_FEATURES) == 0;
    }

    boolean writeback() {
        return writeback;
    }

    void writeback(boolean on) {
        writeback = on;
        if (inflight != null) {
            inflight.writeback(on);
        }
    }

    /**
     * Returns the flags of writes: a driver that cannot flush, or has turned the cache off, expects every write to be
     * durable (5.2.6.2).
     */
    int durability() {
        return writeback && (features & VirtioBlk.F_FLUSH) != 0 ? 0 : Request.FUA;
    }

    /** Whether a ring is started, broken or not: it may hold addresses of the in-flight region. */
    boolean anyStarted() {
        return Arrays.stream(queues).anyMatch(VirtioBlkQueue::started);
    }

    /** Takes over a region of the client's; all rings are stopped. */
    void inflight(InflightRegion region) {
        if (inflight != null) {
            inflight.close();
        }
        inflight = region;
        writeback = region.writeback();
        region.writeback(writeback);
    }

    InflightQueue inflightQueue(int index) {
        return inflight == null ? null : inflight.queue(index);
    }

    /** Whether memory changes and the like must wait. */
    boolean busy() {
        for (VirtioBlkQueue queue : queues) {
            if (queue.inFlight() > 0) {
                return true;
            }
        }
        return false;
    }

    /** Stops taking requests, and runs a task when none is in flight, perhaps at once. One task at a time. */
    void whenQuiet(Runnable task) {
        quiet = task;
        runIfQuiet();
    }

    private void runIfQuiet() {
        if (quiet == null) {
            return;
        }
        for (VirtioBlkQueue queue : queues) {
            queue.takeBack();
        }
        if (!busy()) {
            Runnable task = quiet;
            quiet = null;
            task.run();
        }
    }

    /** Resets the device to its state when the client connected; nothing is in flight. The memory stays mapped. */
    void reset() {
        for (VirtioBlkQueue queue : queues) {
            queue.reset();
        }
        features = 0;
    }

    /** Unmaps and closes everything; nothing is in flight. */
    void close() {
        // requests that have ended in this turn are answered too
        log().attempt(this::publish);
        loop.remove(this);
        for (VirtioBlkQueue queue : queues) {
            log().attempt(queue::close);
        }
        parts.limits().stuckWrites.remove(eventWrites);
        log().attempt(pool::close);
        log().attempt(guest::close);
        if (inflight != null) {
            log().attempt(inflight::close);
            inflight = null;
        }
        scratch.close();
    }

    /** Returns the values that {@code info} shows. */
    Map<String, Object> status() {
        Map<String, Object> status = new LinkedHashMap<>();
        int running = 0;
        int broken = 0;
        int inFlight = 0;
        for (VirtioBlkQueue queue : queues) {
            running += queue.running() ? 1 : 0;
            broken += queue.broken() ? 1 : 0;
            inFlight += queue.inFlight();
        }
        status.put("queues running", running);
        if (broken > 0) {
            status.put("queues broken", broken);
        }
        status.put("in flight", inFlight);
        status.put("guest memory", guest.bytes() + " bytes in " + guest.count() + " regions");
        status.put("write cache", durability() == 0 ? "write back" : "write through");
        status.put("survives a restart", inflight != null ? "yes" : "no");
        status.put("features", VirtioBlk.names(features));
        return status;
    }

    // ---- the turn

    @Override
    public boolean poll() {
        return quiet == null && port.isOpen() && anyRunning() && MemoryGuard.run(takes, this);
    }

    private boolean take() throws BrokenRingException {
        boolean work = false;
        // starting with another queue each time, so that no queue takes the client's whole share
        first = first + 1 < queues.length ? first + 1 : 0;
        for (int i = 0; i < queues.length; i++) {
            at = queues[first + i < queues.length ? first + i : first + i - queues.length];
            work |= at.running() && at.take();
        }
        return work;
    }

    @Override
    public void flush() {
        publish();
        if (doom != null) {
            Doom reported = doom;
            doom = null;
            failure.failed(reported.why(), reported.cause());
        }
        runIfQuiet();
    }

    private void publish() {
        for (VirtioBlkQueue queue : queues) {
            if (queue.hasFinished()) {
                MemoryGuard.run(publishes, this);
                return;
            }
        }
    }

    private boolean publishAll() {
        for (VirtioBlkQueue queue : queues) {
            if (queue.hasFinished()) {
                queue.publish();
            }
        }
        return true;
    }

    @Override
    public boolean arm() {
        boolean work = false;
        for (VirtioBlkQueue queue : queues) {
            work |= queue.hasFinished();
        }
        return quiet == null && port.isOpen() && anyRunning() ? MemoryGuard.run(arms, this) | work : work;
    }

    private boolean armAll() throws BrokenRingException {
        boolean work = false;
        for (VirtioBlkQueue queue : queues) {
            at = queue;
            work |= queue.running() && (queue.arm() || queue.polled());
        }
        return work;
    }

    private boolean anyRunning() {
        for (VirtioBlkQueue queue : queues) {
            if (queue.running()) {
                return true;
            }
        }
        return false;
    }

    @Override
    public boolean pollable() {
        return port.isOpen() && anyRunning();
    }

    /** Does set-up work on a ring that reads shared memory; an error of that memory breaks the ring. */
    void guarded(MemoryGuard.Work work, VirtioBlkQueue queue) {
        at = queue;
        MemoryGuard.run(work, this);
    }

    // ---- what goes wrong

    /** Disconnects the client at the end of this turn. */
    void doom(String why) {
        doom(why, null);
    }

    private void doom(String why, Throwable cause) {
        if (doom == null) {
            doom = new Doom(why, cause);
        }
    }

    /** Breaks all rings, since it is not known which ring's memory is gone. */
    @Override
    public void gone(InternalError error) {
        log().log(
                        Level.WARNING,
                        "the client has truncated memory that it shares, or has no page for it: " + error.getMessage());
        breakRings("its memory is gone");
    }

    @Override
    public void broken(BrokenRingException error) {
        at.breakRing(error.getMessage());
    }

    @Override
    public void failed(Throwable error) {
        doom("this side failed", error);
        breakRings("this side failed");
    }

    private void breakRings(String why) {
        for (VirtioBlkQueue queue : queues) {
            queue.breakRing(why);
        }
    }

    @Override
    public String toString() {
        return "vhost-user device " + name;
    }
}
