package org.blktap.format.vhdx;

import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.FirstChangeDisk;

/** Marks the image as being changed, by the identity of its log, before the first change. */
final class VhdxDisk extends FirstChangeDisk implements IoLoop.BlockingCall {
    private final LogWriter log;
    private final IoLoop loop;

    VhdxDisk(VirtualDisk disk, LogWriter log, IoLoop loop) {
        super(disk);
        this.log = log;
        this.loop = loop;
    }

    @Override
    protected void mark(IoCallback done) {
        loop.offload(this, done);
    }

    @Override
    public int run() throws Exception {
        log.begin();
        return 0;
    }
}
