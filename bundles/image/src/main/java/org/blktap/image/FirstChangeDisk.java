package org.blktap.image;

import java.util.ArrayDeque;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;

/**
 * A disk whose image is marked before the first change after it was opened: the first changes wait until the mark is in
 * the file. An image that is only read stays as it is. Loop only.
 */
public abstract class FirstChangeDisk implements VirtualDisk {
    private final VirtualDisk disk;
    private final IoCallback marked = this::marked;
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    private boolean changed;
    private boolean marking;

    /** @param disk serves the requests; closed with this */
    protected FirstChangeDisk(VirtualDisk disk) {
        this.disk = disk;
    }

    /** Marks the image. If that fails, the waiting changes fail, and the next change tries again. */
    protected abstract void mark(IoCallback done);

    @Override
    public final DiskInfo info() {
        return disk.info();
    }

    @Override
    public final void submit(Request request) {
        if (changed || !request.operation().changes()) {
            disk.submit(request);
            return;
        }
        waiting.add(request);
        if (!marking) {
            marking = true;
            mark(marked);
        }
    }

    private void marked(int error) {
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
