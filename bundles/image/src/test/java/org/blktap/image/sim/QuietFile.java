package org.blktap.image.sim;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.PassThroughFile;
import org.blktap.api.memory.Segments;

/**
 * A file for tests that count what a disk allocates. Passes all calls to a file until {@link #quiet}. After that its
 * operations change, read and allocate nothing, and complete in {@link #end}, in the order in which they were started.
 */
final class QuietFile extends PassThroughFile {
    private final ArrayDeque<IoCallback> started = new ArrayDeque<>(1024);
    private boolean quiet;

    QuietFile(SimFile file) {
        super(file);
    }

    /** Stops passing operations to the file. */
    void quiet() {
        quiet = true;
    }

    /** Completes the operation that was started first; false if there is none. */
    boolean end() {
        IoCallback done = started.poll();
        if (done != null) {
            done.done(0);
        }
        return done != null;
    }

    @Override
    public void read(long offset, Segments into, long skip, long length, IoCallback done) {
        if (quiet) {
            started.add(done);
        } else {
            file.read(offset, into, skip, length, done);
        }
    }

    @Override
    public void write(long offset, Segments from, long skip, long length, IoCallback done) {
        if (quiet) {
            started.add(done);
        } else {
            file.write(offset, from, skip, length, done);
        }
    }

    @Override
    public void flush(IoCallback done) {
        if (quiet) {
            started.add(done);
        } else {
            file.flush(done);
        }
    }

    @Override
    public void discard(long offset, long length, IoCallback done) {
        if (quiet) {
            started.add(done);
        } else {
            file.discard(offset, length, done);
        }
    }

    @Override
    public void zero(long offset, long length, boolean unmap, IoCallback done) {
        if (quiet) {
            started.add(done);
        } else {
            file.zero(offset, length, unmap, done);
        }
    }

    @Override
    public void truncate(long size, IoCallback done) {
        if (quiet) {
            started.add(done);
        } else {
            file.truncate(size, done);
        }
    }

    @Override
    public void writeFully(ByteBuffer from, long offset) throws IOException {
        if (!quiet) {
            file.writeFully(from, offset);
        }
    }

    @Override
    public void truncateNow(long size) throws IOException {
        if (!quiet) {
            file.truncateNow(size);
        }
    }

    @Override
    public void flushNow() throws IOException {
        if (!quiet) {
            file.flushNow();
        }
    }
}
