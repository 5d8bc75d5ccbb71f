package org.blktap.format.vhdx;

import java.io.IOException;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.FirstChangeDisk;

/** Marks the image as being changed, by the identity of its log, before the first change. */
final class VhdxDisk extends FirstChangeDisk implements IoLoop.BlockingCall {
    private final Mark mark;
    private final IoLoop loop;

    /** Marks an image before its first change. Blocking. */
    interface Mark {
        void write() throws IOException;
    }

    VhdxDisk(VirtualDisk disk, Mark mark, IoLoop loop) {
        super(disk);
        this.mark = mark;
        this.loop = loop;
    }

    @Override
    protected void mark(IoCallback done) {
        loop.offload(this, done);
    }

    @Override
    public int run() throws Exception {
        mark.write();
        return 0;
    }
}
