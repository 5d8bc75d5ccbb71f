package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.node.NodeContext;
import org.blktap.ring.BackRing;
import org.blktap.ring.RequestLog;

/**
 * What a connection with a frontend has: its rings, mapped, their event channels, and the memory through which the data
 * of requests goes. Loop only.
 */
final class BlkifConnection implements AutoCloseable {
    /** What Linux's backend keeps mapped for each request: 32 segments and a page of indirect ones. */
    private static final int GRANTS_PER_ENTRY = 33;

    private static final int GRANTS_MAX = 16384;

    private final NodeContext context;
    private final LimitedLog log;
    private final FrontendParameters frontend;
    private final RequestLogFile logFile;
    private final GrantTable table;
    private final EventChannels events;
    /** What it has taken of what all guests share. */
    private final RingShares shares;

    private final BounceBuffers buffers;
    private final GrantCopies copies;
    private final boolean mapsPages;
    private final PersistentGrants grants;
    /** The private copies of all rings' requests. */
    private final NativeBuffer requestCopies;

    private final List<Ring> rings = new ArrayList<>();

    /**
     * One ring.
     *
     * @param log of the requests that are taken from it
     * @param port of its event channel
     */
    record Ring(BackRing ring, RequestLog log, int port) {}

    /** @throws IOException what could not be mapped or bound; nothing is left */
    BlkifConnection(
            NodeContext context,
            LimitedLog log,
            Hypervisor xen,
            GuestLimits limits,
            FrontendParameters frontend,
            RequestLogFile logFile)
            throws IOException {
        this.context = context;
        this.log = log;
        this.frontend = frontend;
        this.logFile = logFile;
        table = xen.openGrants();
        try (CloseOnFailure opened = new CloseOnFailure(this::close)) {
            events = xen.openEvents();
            shares = new RingShares(limits, context.memory(), table, frontend);
            buffers = new BounceBuffers(context.memory(), limits.buffers(), frontend.domain());
            copies = new GrantCopies(context.memory(), table, frontend.domain());
            List<BackRing> mapped = new ArrayList<>();
            mapsPages = mapRings(mapped);
            int entries = mapped.stream().mapToInt(BackRing::entries).sum();
            grants = mapsPages && frontend.persistent()
                    ? new PersistentGrants(
                            context.memory(),
                            table,
                            limits,
                            frontend.domain(),
                            Math.min(GRANTS_MAX, entries * GRANTS_PER_ENTRY))
                    : null;
            requestCopies = context.memory().allocate(RequestLog.copyBytes(entries));
            bind(mapped);
            opened.keep();
        }
    }

    /** Maps all rings. Returns whether disks reach the frontend's pages. */
    private boolean mapRings(List<BackRing> mapped) throws IOException {
        boolean reachable = true;
        shares.takeEntries();
        for (FrontendParameters.Queue queue : frontend.queues()) {
            long address = shares.map(queue.ringRefs());
            reachable &= table.reachesDisks(address);
            mapped.add(new BackRing(address, queue.ringRefs().size(), frontend.abi()));
        }
        return reachable;
    }

    /** Binds the event channels of all rings and opens their logs. */
    private void bind(List<BackRing> mapped) throws IOException {
        long copy = requestCopies.address();
        long requestLog = logFile.open(mapped.stream()
                .mapToLong(ring -> RequestLog.bytes(ring.entries()))
                .sum());
        for (int i = 0; i < mapped.size(); i++) {
            BackRing ring = mapped.get(i);
            int port = events.bind(frontend.domain(), frontend.queues().get(i).eventChannel());
            rings.add(new Ring(ring, new RequestLog(requestLog, ring.entries(), frontend.abi(), copy), port));
            copy += RequestLog.copyBytes(ring.entries());
            requestLog += RequestLog.bytes(ring.entries());
        }
    }

    NodeContext context() {
        return context;
    }

    /** The log for what its guest can cause. */
    LimitedLog log() {
        return log;
    }

    FrontendParameters frontend() {
        return frontend;
    }

    List<Ring> rings() {
        return rings;
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

    /**
     * Whether data can move between the frontend's pages and disks directly, so that it is worth their being
     * persistent.
     */
    boolean mapsPages() {
        return mapsPages;
    }

    /** The pages that are mapped and stay so, or null where data is copied. */
    PersistentGrants grants() {
        return grants;
    }

    /** Releases each on its own: an exception of one does not keep the others. The log's file stays. */
    @Override
    public void close() {
        release(grants);
        release(copies);
        release(buffers);
        release(events);
        release(table);
        release(logFile);
        release(requestCopies);
        release(shares);
    }

    /** Closes a part, if it is there; logs what it throws. */
    void release(AutoCloseable part) {
        try {
            if (part != null) {
                part.close();
            }
        } catch (Exception | Error e) {
            log.log(Level.ERROR, "cannot be closed: " + e, e);
        }
    }
}
