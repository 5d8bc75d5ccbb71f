package org.blktap.client.nbd;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.ExtentList;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * An export as a disk. Each request waits for a connection and is done on a helper thread, in steps of a buffer; several connections
 * run at once where the server allows it. A connection that breaks fails its request, and is made anew by the next.
 */
final class NbdDisk implements VirtualDisk {
    private static final Logger LOG = System.getLogger("org.blktap.client.nbd");
    private static final int STEP = 1 << 20;
    private static final int MOST_CONNECTIONS = 4;
    private static final long LONGEST_RANGE = 1 << 30;
    private static final long LOOK_MILLISECONDS = 5_000;
    private static final long PATIENCE_NANOS = 60_000_000_000L;

    private final NbdUri uri;
    private final String name;
    private final IoLoop loop;
    private final NativeMemory memory;
    private final DiskInfo info;
    private final int flags;
    private final boolean mapsHoles;
    private final List<Line> lines = new ArrayList<>();
    private final ArrayDeque<Line> free = new ArrayDeque<>();
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    private final long size;
    /** Looks after requests that take too long; null while there are none. */
    private IoLoop.Timer watch;
    /** Whether writes have been answered since the last flush, by connections that may have broken since. */
    private volatile boolean unflushed;
    private volatile boolean lost;

    /** @param first an open connection, which becomes the disk's */
    NbdDisk(NbdUri uri, String name, NbdConnection first, DiskContext context) {
        this.uri = uri;
        this.name = name;
        loop = context.loop();
        memory = context.memory();
        int known = 0;
        for (int flag : new int[] {NbdConnection.SEND_FLUSH, NbdConnection.SEND_TRIM, NbdConnection.SEND_WRITE_ZEROES}) {
            known |= first.has(flag) ? flag : 0;
        }
        flags = known;
        mapsHoles = first.mapsHoles();
        boolean readOnly = context.readOnly() || first.has(NbdConnection.READ_ONLY);
        Map<String, String> details = new LinkedHashMap<>();
        details.put("format", "nbd");
        details.put("export", name);
        info = new DiskInfo(first.size() & -512, 512, 4096, 0, readOnly, (flags & NbdConnection.SEND_TRIM) != 0,
                (flags & NbdConnection.SEND_WRITE_ZEROES) != 0, false, details);
        size = first.size();
        int count = first.has(NbdConnection.CAN_MULTI_CONN) ? MOST_CONNECTIONS : 1;
        for (int i = 0; i < count; i++) {
            lines.add(new Line(i == 0 ? first : null));
        }
        free.addAll(lines);
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        if (request.operation() == Operation.MAP && !mapsHoles) {
            request.extents().add(request.length(), ExtentList.DATA);
            request.complete(0);
        } else if (request.operation() == Operation.DISCARD && (flags & NbdConnection.SEND_TRIM) == 0
                || request.operation() == Operation.FLUSH && (flags & NbdConnection.SEND_FLUSH) == 0) {
            request.complete(0);
        } else if (request.has(Request.FAST_ONLY) && (flags & NbdConnection.SEND_WRITE_ZEROES) == 0) {
            request.complete(Errno.EOPNOTSUPP);
        } else {
            waiting.add(request);
            startWaiting();
        }
    }

    private void startWaiting() {
        while (!waiting.isEmpty() && !free.isEmpty()) {
            free.poll().start(waiting.poll());
        }
        if (watch == null && free.size() < lines.size()) {
            watch = loop.schedule(this::look, LOOK_MILLISECONDS);
        }
    }

    /** A server that is silent must not hold a helper thread for ever. */
    private void look() {
        watch = null;
        for (Line line : lines) {
            NbdConnection slow = line.connection;
            if (line.request != null && slow != null && System.nanoTime() - line.since > PATIENCE_NANOS) {
                slow.abort();
            }
        }
        startWaiting();
    }

    /** A connection with its buffer, and the request that it works on. */
    private final class Line implements IoLoop.BlockingCall {
        private final NativeBuffer buffer = memory.allocate(STEP);
        private final ByteBuffer bytes = buffer.bytes();
        private volatile NbdConnection connection;
        private long since;
        private Request request;
        private long at;
        private int step;

        Line(NbdConnection connection) {
            this.connection = connection;
        }

        void start(Request next) {
            request = next;
            at = 0;
            nextStep();
        }

        private void nextStep() {
            boolean ranged = request.operation() == Operation.MAP || request.operation() == Operation.DISCARD
                    || request.operation() == Operation.WRITE_ZEROES && (flags & NbdConnection.SEND_WRITE_ZEROES) != 0;
            step = (int) Math.min(ranged ? LONGEST_RANGE : STEP, request.length() - at);
            if (request.operation() == Operation.WRITE) {
                request.data().copyTo(buffer.address(), at, step);
            }
            since = System.nanoTime();
            loop.offload(this, this::stepDone);
        }

        @Override
        public int run() {
            try {
                if (connection == null) {
                    connection = new NbdConnection(uri);
                    if (connection.size() != size) {
                        throw new IOException("the export has another size now, " + connection.size() + " bytes");
                    }
                }
                int error = exchange();
                return error == 0 ? flushed() : error;
            } catch (IOException e) {
                LOG.log(Level.WARNING, name + ": " + e.getMessage());
                // what the server had not made durable may be lost with it
                lost |= unflushed;
                disconnect();
                return Errno.EIO;
            }
        }

        private int flushed() {
            switch (request.operation()) {
                case WRITE, WRITE_ZEROES -> unflushed = true;
                case FLUSH -> {
                    unflushed = false;
                    if (lost) {
                        lost = false;
                        return Errno.EIO;
                    }
                }
                default -> { }
            }
            return 0;
        }

        private int exchange() throws IOException {
            long offset = request.offset() + at;
            bytes.clear().limit(Math.min(step, STEP));
            return switch (request.operation()) {
                case READ -> connection.read(offset, bytes);
                case WRITE -> connection.write(offset, bytes);
                case FLUSH -> connection.flush();
                case DISCARD -> connection.trim(offset, step);
                case MAP -> connection.map(offset, step, request.extents());
                case WRITE_ZEROES -> (flags & NbdConnection.SEND_WRITE_ZEROES) != 0
                        ? connection.zero(offset, step, request.has(Request.NO_UNMAP)) : writeZeros(offset);
            };
        }

        private int writeZeros(long offset) throws IOException {
            while (bytes.hasRemaining()) {
                bytes.put((byte) 0);
            }
            return connection.write(offset, bytes.flip());
        }

        private void stepDone(int error) {
            if (error == 0 && request.operation() == Operation.READ) {
                request.data().copyFrom(buffer.address(), at, step);
            }
            at += step;
            // a map may answer less than was asked
            if (error == 0 && at < request.length() && request.operation() != Operation.MAP) {
                nextStep();
                return;
            }
            Request ended = request;
            request = null;
            free.push(this);
            ended.complete(error);
            startWaiting();
        }

        private void disconnect() {
            if (connection != null) {
                try {
                    connection.close();
                } catch (IOException e) {
                    LOG.log(Level.DEBUG, name + ": " + e.getMessage());
                }
                connection = null;
            }
        }
    }

    @Override
    public void close() {
        if (watch != null) {
            watch.cancel();
        }
        for (Line line : lines) {
            line.disconnect();
            line.buffer.close();
        }
    }
}
