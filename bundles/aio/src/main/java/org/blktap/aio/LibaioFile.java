package org.blktap.aio;

import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Segments;

/** A file open with O_DIRECT, on libaio. */
final class LibaioFile extends DiskFile {
    private final LibaioQueue queue;

    LibaioFile(OpenedFile file, LibaioQueue queue, IoLoop loop) {
        super(file, loop);
        this.queue = queue;
    }

    @Override
    void startRead(long offset, Segments into, long skip, long length, IoCallback done) {
        queue.start(this, false, offset, into, skip, length, done);
    }

    @Override
    void startWrite(long offset, Segments from, long skip, long length, IoCallback done) {
        queue.start(this, true, offset, from, skip, length, done);
    }

    @Override
    public void flush(IoCallback done) {
        queue.startFlush(this, done);
    }
}
