package org.blktap.format.qcow2;

import org.blktap.api.disk.StoredBitmaps;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.FirstChangeDisk;

/**
 * A disk whose image may have bitmaps. Before its first change they are marked, so that nobody relies on them until new
 * ones are stored.
 */
final class Qcow2Disk extends FirstChangeDisk {
    private final Qcow2Bitmaps bitmaps;
    private final IoLoop loop;

    Qcow2Disk(VirtualDisk disk, Qcow2Bitmaps bitmaps, IoLoop loop) {
        super(disk);
        this.bitmaps = bitmaps;
        this.loop = loop;
    }

    @Override
    protected void mark(IoCallback done) {
        bitmaps.mark(loop, done);
    }

    @Override
    public void draining(boolean begins) {
        if (!begins) {
            bitmaps.serves();
        }
    }

    @Override
    public StoredBitmaps storedBitmaps() {
        return bitmaps;
    }

    @Override
    public void close() {
        try {
            bitmaps.close();
        } finally {
            super.close();
        }
    }
}
