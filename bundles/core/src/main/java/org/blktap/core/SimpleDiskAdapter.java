package org.blktap.core;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.SimpleDriver.SimpleDisk;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * Runs a simple driver's disk: requests are cut into steps of a buffer and done by helper threads, writes never overlap
 * anything, and zeroing, discarding and mapping are made of what the driver has. Loop only, except for the driver's own
 * calls.
 */
final class SimpleDiskAdapter implements VirtualDisk {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    private static final int STEP = 1 << 18;
    /** Requests at the driver at once; the rest wait their turn. */
    private static final int CONCURRENT = 8;

    private final SimpleDisk disk;
    private final String path;
    private final LockedFile file;
    private final IoLoop loop;
    private final NativeMemory memory;
    private final DiskInfo info;
    private final ArrayDeque<NativeBuffer> buffers = new ArrayDeque<>();
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    private final List<Request> running = new ArrayList<>();

    /** @param file what the driver has opened, or null; closed after the disk */
    SimpleDiskAdapter(SimpleDisk disk, String path, LockedFile file, DiskContext context) {
        this.disk = disk;
        this.path = path;
        this.file = file;
        this.loop = context.loop();
        this.memory = context.memory();
        boolean readOnly = context.readOnly() || !disk.writable();
        this.info = DiskInfo.ofContents(disk.size())
                .withBlocks(SECTOR, PAGE)
                .withReadOnly(readOnly)
                .withDetails(Map.of("driver", "simple (blocking)"));
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        if (request.operation() == Operation.MAP) {
            request.extents().add(request.length(), ExtentList.DATA);
            request.complete(0);
        } else if (request.operation() == Operation.DISCARD) {
            request.complete(0);
        } else if (request.has(Request.FAST_ONLY)) {
            request.complete(Errno.EOPNOTSUPP);
        } else {
            waiting.add(request);
            startWaiting();
        }
    }

    private void startWaiting() {
        Iterator<Request> each = waiting.iterator();
        List<Request> passed = new ArrayList<>();
        while (each.hasNext() && running.size() < CONCURRENT) {
            Request request = each.next();
            if (running.stream().anyMatch(r -> conflict(r, request))
                    || passed.stream().anyMatch(r -> conflict(r, request))) {
                passed.add(request);
            } else {
                each.remove();
                running.add(request);
                step(request, 0);
            }
        }
    }

    private static boolean conflict(Request a, Request b) {
        boolean writes = a.operation() != Operation.READ || b.operation() != Operation.READ;
        boolean flushes = a.operation() == Operation.FLUSH || b.operation() == Operation.FLUSH;
        return writes && !flushes && a.offset() < b.offset() + b.length() && b.offset() < a.offset() + a.length();
    }

    /** Does the part of a request that begins at byte {@code at} of it, and then the next. */
    private void step(Request request, long at) {
        if (request.operation() == Operation.FLUSH) {
            loop.offload(() -> guarded(() -> disk.flush()), error -> end(request, null, error));
            return;
        }
        NativeBuffer buffer = buffers.isEmpty() ? memory.allocate(STEP) : buffers.poll();
        int length = (int) Math.min(STEP, request.length() - at);
        long offset = request.offset() + at;
        // the disk may end inside its last sector
        int stored = (int) Math.min(length, info.contentBytes() - offset);
        boolean read = request.operation() == Operation.READ;
        if (request.operation() == Operation.WRITE) {
            request.data().copyTo(buffer.address(), at, length);
            if (!isZero(buffer.bytes(stored, length - stored))) {
                end(request, buffer, Errno.ENOSPC);
                return;
            }
        } else {
            Memory.fill(buffer.address(), length, (byte) 0);
        }
        loop.offload(
                () -> guarded(() -> {
                    if (read) {
                        disk.read(buffer.bytes(0, stored), offset);
                    } else {
                        disk.write(buffer.bytes(0, stored), offset);
                    }
                }),
                error -> {
                    if (error == 0 && read) {
                        request.data().copyFrom(buffer.address(), at, length);
                    }
                    if (error != 0 || at + length == request.length()) {
                        end(request, buffer, error);
                    } else {
                        buffers.push(buffer);
                        step(request, at + length);
                    }
                });
    }

    private static boolean isZero(ByteBuffer bytes) {
        while (bytes.hasRemaining()) {
            if (bytes.get() != 0) {
                return false;
            }
        }
        return true;
    }

    private void end(Request request, NativeBuffer buffer, int error) {
        if (buffer != null) {
            buffers.push(buffer);
        }
        running.remove(request);
        request.complete(error);
        startWaiting();
    }

    private interface DriverCall {
        void run() throws Exception;
    }

    private int guarded(DriverCall call) {
        try {
            call.run();
            return 0;
        } catch (java.nio.channels.NonWritableChannelException e) {
            return Errno.EROFS;
        } catch (Exception e) {
            LOG.log(Level.WARNING, path + ": " + e);
            return Errno.EIO;
        }
    }

    @Override
    public void close() {
        buffers.forEach(NativeBuffer::close);
        buffers.clear();
        guarded(disk::close);
        if (file != null) {
            file.close();
        }
    }
}
