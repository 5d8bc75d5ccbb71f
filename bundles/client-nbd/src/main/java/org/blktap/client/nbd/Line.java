package org.blktap.client.nbd;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.nbd.Nbd;

/**
 * A connection with its buffer and the request that it serves, in steps. Each step is a blocking exchange on a helper
 * thread; everything else is called on the loop.
 */
final class Line implements IoLoop.BlockingCall {
    private final NbdDisk disk;
    private final NativeBuffer buffer;
    private final ByteBuffer bytes;
    private final Step step;
    private final ExtentList found = new ExtentList();
    /** A block of which a write changes a part; allocated when needed. */
    private ByteBuffer block;

    private volatile ServerConnection connection;
    private long since;
    private Request request;
    private long at;
    private volatile boolean closed;

    /** @param connection an open one, or null to connect with the first request */
    Line(NbdDisk disk, ServerConnection connection, NativeBuffer buffer, Step step) {
        this.disk = disk;
        this.connection = connection;
        this.buffer = buffer;
        this.bytes = buffer.bytes();
        this.step = step;
    }

    /** Returns the size of a line's buffer: the largest step, and the rest of a sector past the end of the export. */
    static int bufferBytes() {
        return Step.MOST_DATA + SECTOR;
    }

    /** The request under way, or null. */
    Request request() {
        return request;
    }

    void start(Request next) {
        request = next;
        at = 0;
        nextStep();
    }

    private void nextStep() {
        step.take(request, at);
        switch (step.kind()) {
            case NONE -> {
                stepDone(0);
                return;
            }
            case WRITE -> {
                fill();
                if (!endsInZeros()) {
                    disk.complain(
                            "a write to the last sector has data after the end of the export, which the server cannot store");
                    // not ENOSPC, for which a VM would be made to wait
                    end(Errno.EFBIG);
                    return;
                }
            }
            default -> {}
        }
        since = System.nanoTime();
        disk.loop().offload(this, this::stepDone);
    }

    private void fill() {
        long target = buffer.address() + step.before();
        if (request.operation() == Operation.WRITE) {
            request.data().copyTo(target, at, step.length());
        } else {
            Memory.fill(target, step.length(), (byte) 0);
        }
    }

    private boolean endsInZeros() {
        for (int i = 0; i < step.beyond(); i++) {
            if (Memory.getByte(buffer.address() + step.bytes() + i) != 0) {
                return false;
            }
        }
        return true;
    }

    // ---- on a helper thread

    @Override
    public int run() {
        try {
            if (connection == null) {
                connection = disk.connect();
                if (closed) {
                    throw new IOException("the disk is closed");
                }
            }
            long covered = disk.unflushed().covered();
            int error = exchange();
            if (error != 0 && !(isTooLong(error) && step.canBeShorter())) {
                String message = connection.message();
                disk.complain(step.kind() + " of " + step.bytes() + " bytes at " + step.from() + ": the server reports "
                        + Errno.text(error) + (message.isEmpty() ? "" : ": " + message));
            }
            return error == 0 ? exchanged(covered) : error;
        } catch (IOException | RuntimeException e) {
            disk.complain(e.getMessage() == null ? e.toString() : e.getMessage());
            // writes that the server had not made durable may be lost with the connection
            disk.unflushed().broken();
            ServerConnection broken = connection;
            connection = null;
            if (broken != null) {
                broken.abort();
            }
            return Errno.EIO;
        }
    }

    /** Returns the result of a successful exchange: an error if it flushed writes that may have been lost. */
    private int exchanged(long covered) {
        switch (request.operation()) {
            case WRITE, WRITE_ZEROES -> disk.unflushed().written();
            case FLUSH -> {
                return disk.unflushed().flushed(covered);
            }
            default -> {}
        }
        return 0;
    }

    private int exchange() throws IOException {
        long from = step.from();
        return switch (step.kind()) {
            case NONE -> 0;
            case READ -> connection.read(from, bytes.clear().limit(step.bytes()));
            case WRITE -> {
                int error = readEdges();
                yield error != 0 ? error : connection.write(from, bytes.clear().limit(step.bytes()));
            }
            case FLUSH -> connection.flush();
            case TRIM -> connection.trim(from, step.bytes());
            case ZERO -> connection.zero(from, step.bytes(), request.has(Request.NO_UNMAP));
            case MAP -> {
                found.clear();
                yield connection.map(from, step.bytes(), found);
            }
        };
    }

    /** Reads the server's bytes at the edges of the range, around the data to be written. */
    private int readEdges() throws IOException {
        int error = step.before() == 0 ? 0 : readEdge(0, 0, step.before());
        if (error != 0 || step.after() == 0) {
            return error;
        }
        int begin = (int) disk.blockSizes().down(step.bytes() - 1);
        return readEdge(begin, step.bytes() - step.after(), step.after());
    }

    /** Reads the block at {@code begin} of the range, and copies {@code length} bytes from {@code edge} on. */
    private int readEdge(int begin, int edge, int length) throws IOException {
        if (block == null) {
            block = ByteBuffer.allocate(disk.blockSizes().minimum());
        }
        block.clear().limit(Math.min(block.capacity(), step.bytes() - begin));
        int error = connection.read(step.from() + begin, block);
        if (error == 0) {
            bytes.clear().position(edge);
            bytes.put(block.array(), edge - begin, length);
        }
        return error;
    }

    // ---- on the loop

    private void stepDone(int error) {
        if (isTooLong(error) && step.canBeShorter()) {
            step.shorten();
            nextStep();
            return;
        }
        if (error == 0) {
            switch (step.kind()) {
                case READ -> takeData();
                case MAP -> takeExtents();
                default -> {}
            }
        }
        at += step.length();
        if (closed && error == 0 && at < request.length()) {
            end(Errno.ESHUTDOWN);
            return;
        }
        // a map may answer less than was asked
        if (error == 0 && at < request.length() && request.operation() != Operation.MAP) {
            nextStep();
        } else {
            end(error == Nbd.EOVERFLOW ? Errno.EINVAL : error);
        }
    }

    private static boolean isTooLong(int error) {
        return error == Errno.EINVAL || error == Nbd.EOVERFLOW;
    }

    private void takeData() {
        Memory.fill(buffer.address() + step.bytes(), step.beyond(), (byte) 0);
        request.data().copyFrom(buffer.address() + step.before(), at, step.length());
    }

    /**
     * Takes the extents of the requested range out of those of whole blocks. Past the end of the export the state of
     * the last bytes continues.
     */
    private void takeExtents() {
        long skip = step.before();
        long left = step.length();
        int state = ExtentList.DATA;
        for (int i = 0; i < found.count() && left > 0; i++) {
            long skipped = Math.min(skip, found.length(i));
            skip -= skipped;
            long run = Math.min(found.length(i) - skipped, left);
            state = found.state(i);
            request.extents().add(run, state);
            left -= run;
        }
        if (found.total() == step.bytes()) {
            request.extents().add(Math.min(left, step.beyond()), state);
        } else if (request.extents().count() == 0) {
            // the answer covers nothing that was asked for
            request.extents().add(step.length(), ExtentList.DATA);
        }
    }

    private void end(int error) {
        Request ended = request;
        request = null;
        if (closed) {
            buffer.close();
        }
        disk.ended(this, ended, error);
    }

    /** Ends an exchange that has taken longer than {@code nanos}. */
    void giveUpAfter(long nanos) {
        ServerConnection slow = connection;
        if (request != null && slow != null && System.nanoTime() - since > nanos) {
            slow.abort();
        }
    }

    /** Closes without waiting; cuts off an exchange under way. */
    void close() {
        closed = true;
        ServerConnection last = connection;
        connection = null;
        if (last != null) {
            if (request != null) {
                last.abort();
            } else {
                try {
                    last.close();
                } catch (IOException e) {
                    System.getLogger("org.blktap.client.nbd").log(System.Logger.Level.DEBUG, e.getMessage());
                }
            }
        }
        if (request == null) {
            buffer.close();
        }
    }
}
