package org.blktap.core;

import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.PassThroughFile;
import org.blktap.api.filter.FileWatcher;
import org.blktap.api.memory.Segments;

/** A file of an attached disk, whose asynchronous operations are shown to a filter that wants to see them. */
final class WatchedFile extends PassThroughFile {
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
        super(file);
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
}
