package org.blktap.aio;

import static org.blktap.api.memory.Alignment.PAGE;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Segments;
import org.blktap.linux.FileLock;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * Base class of the files of all engines. Requests that the device does not accept go to {@link BounceIo}, and calls
 * that block go to helper threads. An engine adds how aligned reads, writes and flushes are started.
 */
abstract class DiskFile implements IoFile {
    private static final int BLOCKING_BUFFER = 1 << 18;
    /** Most pieces of one readv or writev (UIO_MAXIOV); longer lists go through the bounce buffer. */
    static final int MAX_PIECES = 1024;

    final OpenedFile file;
    final IoLoop loop;
    final FlushErrors flushErrors;
    private final DataRun data = new DataRun();
    private final BounceIo bounce;
    private volatile long size;
    /** The size that the last truncate asked for: the cut after a write of a whole last sector never goes below it. */
    private volatile long askedSize;

    private final Object sizeLock = new Object();
    private boolean closed;

    DiskFile(OpenedFile file, IoLoop loop) {
        this.file = file;
        this.loop = loop;
        this.size = file.size();
        this.flushErrors = new FlushErrors(file);
        this.bounce = new BounceIo(this);
    }

    /** Starts a read that is aligned and that one system call can do. */
    abstract void startRead(long offset, Segments into, long skip, long length, IoCallback done);

    /** Starts a write that is aligned and that one system call can do. */
    abstract void startWrite(long offset, Segments from, long skip, long length, IoCallback done);

    @Override
    public void read(long offset, Segments into, long skip, long length, IoCallback done) {
        if (fits(offset, into, skip, length)) {
            startRead(offset, into, skip, length, done);
        } else {
            bounce.read(offset, into, skip, length, done);
        }
    }

    @Override
    public void write(long offset, Segments from, long skip, long length, IoCallback done) {
        if (bounce.idle() && fits(offset, from, skip, length)) {
            bounce.writeStarted();
            startWrite(offset, from, skip, length, done);
        } else {
            bounce.write(offset, from, skip, length, done);
        }
    }

    /** Called by the engine when a write has ended, before the callback. */
    final void writeEnded(long end) {
        if (end > size && !file.blockDevice()) {
            size = end;
        }
        bounce.writeEnded();
    }

    /** Whether the device accepts the request without a copy. */
    final boolean fits(long offset, Segments data, long skip, long length) {
        if (data.count() > MAX_PIECES) {
            return false;
        }
        int alignment = file.alignment();
        if (alignment == 1) {
            return true;
        }
        if (!Alignment.isAligned(offset | length, alignment)) {
            return false;
        }
        int memory = file.memoryAlignment();
        long at = 0;
        for (int i = 0; i < data.count() && at < skip + length; i++) {
            long end = at + data.length(i);
            if (end > skip) {
                long from = Math.max(at, skip);
                long to = Math.min(end, skip + length);
                if (!Alignment.isAligned(data.address(i) + from - at, memory)
                        || !Alignment.isAligned(to - from, alignment)) {
                    return false;
                }
            }
            at = end;
        }
        return true;
    }

    @Override
    public void discard(long offset, long length, IoCallback done) {
        loop.offload(
                () -> {
                    int result = SpaceCalls.discard(file, offset, length);
                    data.holeMade();
                    return result;
                },
                done);
    }

    @Override
    public boolean zeroesOnDiscard() {
        return !file.blockDevice();
    }

    @Override
    public void zero(long offset, long length, boolean unmap, IoCallback done) {
        int alignment = file.alignment();
        if (!Alignment.isAligned(offset | length, alignment) && file.blockDevice()) {
            bounce.zero(offset, length, done);
            return;
        }
        long before = size;
        IoLoop.BlockingCall zero = () -> {
            int result = SpaceCalls.zero(file, before, offset, length, unmap);
            data.holeMade();
            return result;
        };
        loop.offload(zero, error -> {
            if (error == 0 && !file.blockDevice()) {
                size = Math.max(size, offset + length);
            }
            done.done(error);
        });
    }

    @Override
    public void truncate(long newSize, IoCallback done) {
        askedSize = newSize;
        loop.offload(
                () -> {
                    synchronized (sizeLock) {
                        return cutTo(newSize);
                    }
                },
                error -> {
                    if (error == 0) {
                        size = newSize;
                    }
                    done.done(error);
                });
    }

    /** Cuts off the bytes that a write of the whole last sector has added. */
    final void cutTail(long end, IoCallback done) {
        loop.offload(
                () -> {
                    synchronized (sizeLock) {
                        return cutTo(Math.max(end, askedSize));
                    }
                },
                error -> {
                    if (error == 0) {
                        size = Math.max(end, askedSize);
                    }
                    done.done(error);
                });
    }

    private int cutTo(long end) {
        int result = SpaceCalls.truncate(file.fd(), end);
        data.holeMade();
        return result;
    }

    @Override
    public void map(long offset, long length, ExtentList into, IoCallback done) {
        loop.offload(() -> SpaceCalls.map(file, data, offset, length, into), done);
    }

    @Override
    public void readFully(ByteBuffer into, long offset) throws IOException {
        int alignment = file.alignment();
        int room = (int) Math.min(BLOCKING_BUFFER, Alignment.up(into.remaining() + 2L * alignment, PAGE));
        try (Mapping buffer = Mapping.anonymous(room)) {
            ByteBuffer view = buffer.bytes();
            while (into.hasRemaining()) {
                long begin = Alignment.down(offset, alignment);
                long n = Libc.pread(file.fd(), buffer.address(), room, begin);
                if (n < 0) {
                    throw new ErrnoException("cannot read at " + begin, Libc.errno());
                }
                int skip = (int) (offset - begin);
                int have = (int) Math.max(0, n - skip);
                if (have == 0) {
                    while (into.hasRemaining()) {
                        into.put((byte) 0);
                    }
                    return;
                }
                int part = Math.min(into.remaining(), have);
                into.put(view.slice(skip, part));
                offset += part;
            }
        }
    }

    @Override
    public void writeFully(ByteBuffer from, long offset) throws IOException {
        int alignment = file.alignment();
        try (Mapping buffer = Mapping.anonymous(BLOCKING_BUFFER)) {
            ByteBuffer view = buffer.bytes();
            while (from.hasRemaining()) {
                long begin = Alignment.down(offset, alignment);
                int skip = (int) (offset - begin);
                int part = Math.min(from.remaining(), BLOCKING_BUFFER - skip);
                int whole = Alignment.up(skip + part, alignment);
                if (skip != 0 || part != whole) {
                    readFully(view.slice(0, whole), begin);
                }
                view.put(skip, from, from.position(), part);
                from.position(from.position() + part);
                long n = Libc.pwrite(file.fd(), buffer.address(), whole, begin);
                if (n < 0) {
                    throw new ErrnoException("cannot write at " + begin, Libc.errno());
                }
                if (n != whole) {
                    // the limit of file sizes, or a full file system
                    throw new ErrnoException(
                            "only " + n + " of " + whole + " bytes could be written at " + begin, Errno.ENOSPC);
                }
                offset += part;
                long end = Math.max(size, offset);
                if (begin + whole > end && !file.blockDevice()) {
                    truncateNow(end);
                }
                size = end;
            }
        }
    }

    @Override
    public void truncateNow(long newSize) throws IOException {
        askedSize = newSize;
        int error = cutTo(newSize);
        if (error != 0) {
            throw new ErrnoException("cannot set the size to " + newSize, error);
        }
        size = newSize;
    }

    /** Flushes; 0 or an errno. */
    final int flushBlocking() {
        int before = flushErrors.failures();
        return flushErrors.result(SpaceCalls.flush(file.fd()), before);
    }

    @Override
    public void flushNow() throws IOException {
        int error = flushBlocking();
        if (error != 0) {
            throw new ErrnoException("cannot flush", error);
        }
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public boolean writable() {
        return file.writable();
    }

    @Override
    public boolean blockDevice() {
        return file.blockDevice();
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public int alignment() {
        return file.alignment();
    }

    @Override
    public int sectorSize() {
        return file.sectorSize();
    }

    @Override
    public int physicalSectorSize() {
        return file.physicalSize();
    }

    /** Holds its lock, or lets go of it for a moment; nothing once it is closed. Any thread. */
    final synchronized void lock(boolean held) {
        if (!closed && held) {
            FileLock.hold(file.fd(), file.writable());
        } else if (!closed) {
            FileLock.release(file.fd());
        }
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            bounce.close();
            Libc.close(file.fd());
        }
    }

    @Override
    public String toString() {
        return FileNames.text(file.path());
    }
}
