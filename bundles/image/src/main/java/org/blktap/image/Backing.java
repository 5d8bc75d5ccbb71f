package org.blktap.image;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.memory.Segments;

/** The backing disk, if any, whose bytes unallocated clusters show. Loop only. */
final class Backing {
    private final VirtualDisk disk;
    private final long size;
    private final Pool<Read> reads = new Pool<>(pool -> new Read());

    /** @param disk null for none; closed with this */
    Backing(VirtualDisk disk) {
        this.disk = disk;
        size = disk == null ? 0 : disk.info().sizeBytes();
    }

    /** Bytes; past its end everything reads as zeros. */
    long size() {
        return size;
    }

    /** Reads into bytes {@code [skip, skip + length)} of the list; whole sectors inside the backing disk. */
    void read(long offset, Segments into, long skip, long length, IoCallback done) {
        reads.take().start(offset, into, skip, length, done);
    }

    /** Passes on a request whose range is inside the backing disk. */
    void submit(Request request) {
        disk.submit(request);
    }

    void close() {
        if (disk != null) {
            disk.close();
        }
    }

    /** One read. Pooled. */
    private final class Read implements Request.Completion {
        private final Request request = new Request(this, 16);
        private IoCallback whenDone;

        private void start(long offset, Segments into, long skip, long length, IoCallback done) {
            whenDone = done;
            request.data().sliceOf(into, skip, length);
            disk.submit(request.set(Operation.READ, offset, length, 0));
        }

        @Override
        public void completed(Request ended) {
            IoCallback done = whenDone;
            int error = ended.error();
            whenDone = null;
            reads.give(this);
            done.done(error);
        }
    }
}
