package org.blktap.core;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.filter.FileWatcher;
import org.blktap.api.memory.Segments;

/** A file of an attached disk, whose asynchronous operations are shown to a filter that wants to see them. */
final class WatchedFile implements IoFile {
    private final IoFile file;
    private final Watch watch;

    /** Who watches the files of one open disk. Loop only. */
    static final class Watch {
        private FileWatcher watcher;

        void by(FileWatcher now) {
            watcher = now;
        }

        private IoCallback begins(IoCallback done) {
            FileWatcher to = watcher;
            return to == null ? done : to.begins(done);
        }
    }

    WatchedFile(IoFile file, Watch watch) {
        this.file = file;
        this.watch = watch;
    }

    @Override
    public void read(long offset, Segments into, long skip, long length, IoCallback done) {
        file.read(offset, into, skip, length, watch.begins(done));
    }

    @Override
    public void write(long offset, Segments from, long skip, long length, IoCallback done) {
        file.write(offset, from, skip, length, watch.begins(done));
    }

    @Override
    public void flush(IoCallback done) {
        file.flush(watch.begins(done));
    }

    @Override
    public void discard(long offset, long length, IoCallback done) {
        file.discard(offset, length, watch.begins(done));
    }

    @Override
    public void zero(long offset, long length, boolean unmap, IoCallback done) {
        file.zero(offset, length, unmap, watch.begins(done));
    }

    @Override
    public void truncate(long size, IoCallback done) {
        file.truncate(size, watch.begins(done));
    }

    @Override
    public void map(long offset, long length, ExtentList into, IoCallback done) {
        file.map(offset, length, into, watch.begins(done));
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
        return file.size();
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
        return file.physicalSectorSize();
    }

    @Override
    public boolean zeroesOnDiscard() {
        return file.zeroesOnDiscard();
    }

    @Override
    public void readFully(ByteBuffer into, long offset) throws IOException {
        file.readFully(into, offset);
    }

    @Override
    public void writeFully(ByteBuffer from, long offset) throws IOException {
        file.writeFully(from, offset);
    }

    @Override
    public void truncateNow(long size) throws IOException {
        file.truncateNow(size);
    }

    @Override
    public void flushNow() throws IOException {
        file.flushNow();
    }

    @Override
    public void close() {
        file.close();
    }
}
