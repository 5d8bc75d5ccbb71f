package org.blktap.aio;

import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Segments;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** A file whose operations are blocking calls on helper threads. */
final class ThreadedFile extends DiskFile {
    ThreadedFile(OpenedFile file, IoLoop loop) {
        super(file, loop);
    }

    @Override
    void startRead(long offset, Segments into, long skip, long length, IoCallback done) {
        transfer(false, offset, into, skip, length, done);
    }

    @Override
    void startWrite(long offset, Segments from, long skip, long length, IoCallback done) {
        transfer(true, offset, from, skip, length, error -> {
            writeEnded(error == 0 ? offset + length : 0);
            done.done(error);
        });
    }

    private void transfer(boolean write, long offset, Segments data, long skip, long length, IoCallback done) {
        Mapping vector = Mapping.anonymous((long) Math.max(1, data.count()) * Libc.IOVEC_BYTES);
        int count = Iovecs.fill(vector.address(), data, skip, length);
        loop.offload(() -> Iovecs.transfer(file.fd(), write, vector.address(), count, offset, length), error -> {
            vector.close();
            done.done(error);
        });
    }

    @Override
    public void flush(IoCallback done) {
        loop.offload(this::flushBlocking, done);
    }
}
