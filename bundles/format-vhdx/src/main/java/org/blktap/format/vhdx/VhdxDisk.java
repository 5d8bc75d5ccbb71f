package org.blktap.format.vhdx;

import java.util.ArrayDeque;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;

/** Holds the first changes of a disk back until its image is marked as being changed; an image that is only read stays as it is. Loop only. */
final class VhdxDisk implements VirtualDisk, IoLoop.BlockingCall, IoCallback {
    private final VirtualDisk disk;
    private final LogWriter log;
    private final IoLoop loop;
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    private boolean changed;
    private boolean marking;

    VhdxDisk(VirtualDisk disk, LogWriter log, IoLoop loop) {
        this.disk = disk;
        this.log = log;
        this.loop = loop;
    }

    @Override
    public DiskInfo info() {
        return disk.info();
    }

    @Override
    public void submit(Request request) {
        if (changed || !changes(request.operation())) {
            disk.submit(request);
            return;
        }
        waiting.add(request);
        mark();
    }

    /** Marks the image, unless that is under way. */
    private void mark() {
        if (!marking) {
            marking = true;
            loop.offload(this, this);
        }
    }

    private static boolean changes(Operation operation) {
        return operation == Operation.WRITE || operation == Operation.WRITE_ZEROES || operation == Operation.DISCARD;
    }

    @Override
    public int run() throws Exception {
        log.begin();
        return 0;
    }

    /** The image is marked, or that has failed: then the next change tries again. */
    @Override
    public void done(int error) {
        marking = false;
        changed = error == 0;
        for (int n = waiting.size(); n > 0; n--) {
            Request request = waiting.poll();
            if (error == 0) {
                disk.submit(request);
            } else {
                request.complete(error);
            }
        }
    }

    @Override
    public void close() {
        disk.close();
    }
}
