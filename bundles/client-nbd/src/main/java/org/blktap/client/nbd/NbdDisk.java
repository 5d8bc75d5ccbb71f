package org.blktap.client.nbd;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.nbd.Nbd;

/**
 * An export as a disk. Each request waits for a connection and is done on a helper thread; several connections work at
 * once if the server allows it. A broken connection fails its request; the next request connects again.
 */
final class NbdDisk implements VirtualDisk {
    private static final int MOST_CONNECTIONS = 4;
    /** Interval between log lines about the server's errors. */
    private static final long LINE_MILLISECONDS = 10_000;

    private static final long LOOK_MILLISECONDS = 5_000;
    private static final long PATIENCE_NANOS = 60_000_000_000L;

    private final Server server;
    private final IoLoop loop;
    private final DiskInfo info;
    private final Negotiation.Agreed agreed;
    private final Overlaps overlaps;
    private final LimitedLog log;
    private final List<Line> lines = new ArrayList<>();
    private final ArrayDeque<Line> free = new ArrayDeque<>();
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    /** Timer that ends requests that take too long; null while there are no requests. */
    private IoLoop.Timer watch;

    private boolean closed;
    private final Unflushed unflushed = new Unflushed();

    /** @param first an open connection, owned by the disk from now on */
    NbdDisk(Server server, String name, ServerConnection first, DiskContext context) {
        this.server = server;
        loop = context.loop();
        agreed = first.agreed();
        overlaps = new Overlaps(agreed.blockSizes());
        log = new LimitedLog(System.getLogger("org.blktap.client.nbd"), name, 1, LINE_MILLISECONDS);
        BlockSizes sizes = agreed.blockSizes();
        boolean canZero = agreed.has(Nbd.FLAG_SEND_WRITE_ZEROES);
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", NbdDriver.TYPE);
        details.put("export", name);
        if (server.hasTls()) {
            details.put("TLS", first.tlsSession());
        }
        details.put(
                "block sizes",
                sizes.minimum() + " minimum, " + sizes.preferred() + " preferred, " + sizes.maximum() + " maximum");
        if (!Alignment.isAligned(agreed.size(), SECTOR)) {
            details.put("size rounded", "up, from " + agreed.size() + " bytes");
        }
        DiskInfo exported = DiskInfo.ofContents(agreed.size())
                .withBlocks(SECTOR, Math.max(PAGE, sizes.minimum()))
                .withOptimalIo(sizes.preferred() > PAGE ? sizes.preferred() : 0)
                .withReadOnly(context.readOnly() || agreed.has(Nbd.FLAG_READ_ONLY))
                .withDetails(details);
        exported = agreed.has(Nbd.FLAG_SEND_TRIM) ? exported.with(Operation.DISCARD) : exported;
        info = canZero ? exported.with(Operation.WRITE_ZEROES) : exported;
        int count = agreed.has(Nbd.FLAG_CAN_MULTI_CONN) ? MOST_CONNECTIONS : 1;
        for (int i = 0; i < count; i++) {
            lines.add(new Line(
                    this,
                    i == 0 ? first : null,
                    context.memory().allocate(Line.bufferBytes()),
                    new Step(sizes, agreed.size(), canZero)));
        }
        free.addAll(lines);
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        if (request.operation() == Operation.MAP
                && (agreed.allocationContext() == -1 || request.has(Request.DEPTH_ONLY))) {
            request.extents().add(request.length(), ExtentList.DATA);
            request.complete(0);
        } else if (request.operation() == Operation.DISCARD && !agreed.has(Nbd.FLAG_SEND_TRIM)
                || request.operation() == Operation.FLUSH && !agreed.has(Nbd.FLAG_SEND_FLUSH)) {
            request.complete(0);
        } else if (request.has(Request.FAST_ONLY) && !agreed.has(Nbd.FLAG_SEND_WRITE_ZEROES)) {
            request.complete(Errno.EOPNOTSUPP);
        } else {
            waiting.add(request);
            startWaiting();
        }
    }

    private void startWaiting() {
        if (closed) {
            return;
        }
        while (!waiting.isEmpty() && !free.isEmpty() && !conflicts(waiting.peek())) {
            free.poll().start(waiting.poll());
        }
        if (watch == null && free.size() < lines.size()) {
            watch = loop.schedule(this::look, LOOK_MILLISECONDS);
        }
    }

    private boolean conflicts(Request next) {
        for (Line line : lines) {
            if (line.request() != null && overlaps.conflict(line.request(), next)) {
                return true;
            }
        }
        return false;
    }

    /** Ends exchanges that take too long: a silent server must not hold a helper thread for ever. */
    private void look() {
        watch = null;
        for (Line line : lines) {
            line.giveUpAfter(PATIENCE_NANOS);
        }
        startWaiting();
    }

    // ---- for the lines

    IoLoop loop() {
        return loop;
    }

    BlockSizes blockSizes() {
        return agreed.blockSizes();
    }

    /** Connects again. Blocking. */
    ServerConnection connect() throws IOException {
        ServerConnection connection = new ServerConnection(server);
        Negotiation.Agreed now = connection.agreed();
        if (!now.isLike(agreed)) {
            connection.abort();
            throw new IOException("the export is not the one it was: found " + now + "; expected " + agreed);
        }
        return connection;
    }

    void complain(String what) {
        log.log(Level.WARNING, what);
    }

    Unflushed unflushed() {
        return unflushed;
    }

    /** Called when a line has ended a request and is free again. */
    void ended(Line line, Request request, int error) {
        free.push(line);
        request.complete(error);
        startWaiting();
    }

    /** Closes without waiting for the server. Requests under way, if the disk is cut off, end with an error. */
    @Override
    public void close() {
        closed = true;
        if (watch != null) {
            watch.cancel();
        }
        lines.forEach(Line::close);
    }
}
