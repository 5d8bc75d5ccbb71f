package org.blktap.core;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ErrnoException;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.memory.Segments;
import org.blktap.linux.FileLock;
import org.blktap.linux.Libc;
import org.blktap.linux.PinnedFile;

/**
 * A queue with files that are opened and locked, and read and written by blocking calls only: what drivers of tests
 * use.
 */
public class RealFiles implements IoQueue {
    /** Files that are open on all queues. */
    static final AtomicInteger OPEN = new AtomicInteger();

    @Override
    public IoFile open(Path path, boolean writable) throws IOException {
        throw new AssertionError(path + ": opened by its name");
    }

    @Override
    public IoFile open(Path path, int descriptor, boolean writable) throws IOException {
        return open(path, descriptor, writable, List.of());
    }

    @Override
    public IoFile open(Path path, int descriptor, boolean writable, List<IoFile> own) throws IOException {
        int fd = PinnedFile.reopen(descriptor, Libc.O_RDWR);
        FileLock.hold(fd, writable);
        own.forEach(each -> ((RealFile) each).lock(false));
        boolean free = FileLock.isFree(fd, writable);
        own.forEach(each -> ((RealFile) each).lock(true));
        if (!free) {
            Libc.close(fd);
            throw new ErrnoException(Errno.EBUSY, path + ": in use by another attachment or process");
        }
        OPEN.incrementAndGet();
        return opened(path, fd, writable);
    }

    /** @param fd is closed with the file */
    protected RealFile opened(Path path, int fd, boolean writable) throws IOException {
        return new RealFile(path, fd, writable);
    }

    @Override
    public void close() {
        // the files are closed one by one
    }

    /** One file. */
    public static class RealFile implements IoFile {
        private final Path path;
        private final int fd;
        private final boolean writable;
        private boolean closed;

        protected RealFile(Path path, int fd, boolean writable) {
            this.path = path;
            this.fd = fd;
            this.writable = writable;
        }

        synchronized void lock(boolean held) {
            if (!closed && held) {
                FileLock.hold(fd, writable);
            } else if (!closed) {
                FileLock.release(fd);
            }
        }

        private FileChannel channel() throws IOException {
            return FileChannel.open(
                    Path.of("/proc/self/fd/" + fd), Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE));
        }

        @Override
        public Path path() {
            return path;
        }

        @Override
        public boolean writable() {
            return writable;
        }

        @Override
        public boolean blockDevice() {
            return false;
        }

        @Override
        public long size() {
            try (FileChannel channel = channel()) {
                return channel.size();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public int alignment() {
            return 1;
        }

        @Override
        public void read(long offset, Segments into, long skip, long length, IoCallback done) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void write(long offset, Segments from, long skip, long length, IoCallback done) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void flush(IoCallback done) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void discard(long offset, long length, IoCallback done) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean zeroesOnDiscard() {
            return true;
        }

        @Override
        public void zero(long offset, long length, boolean unmap, IoCallback done) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void truncate(long size, IoCallback done) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void map(long offset, long length, ExtentList into, IoCallback done) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void readFully(ByteBuffer into, long offset) throws IOException {
            try (FileChannel channel = channel()) {
                long at = offset;
                int n = channel.read(into, at);
                while (n > 0) {
                    at += n;
                    n = channel.read(into, at);
                }
            }
        }

        @Override
        public void writeFully(ByteBuffer from, long offset) throws IOException {
            try (FileChannel channel = channel()) {
                channel.write(from, offset);
            }
        }

        @Override
        public void truncateNow(long size) throws IOException {
            try (FileChannel channel = channel()) {
                channel.truncate(size);
            }
        }

        @Override
        public void flushNow() throws IOException {
            // no test cuts the power
        }

        @Override
        public synchronized void close() {
            if (!closed) {
                closed = true;
                OPEN.decrementAndGet();
                Libc.close(fd);
            }
        }
    }
}
