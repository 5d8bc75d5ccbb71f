package org.blktap.image;

import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Segments;

/** Reads a range of the disk as it is committed at present: for guests, and for copying clusters up. */
final class ReadOperation extends DiskOperation {
    private Segments into;
    private long skip;
    private long start;
    private IoCallback whenDone;
    private int entered;

    ReadOperation(ClusterDisk disk) {
        super(disk);
    }

    /** Reads into bytes {@code [skip, skip + length)} of the list, which stays as it is until the end. */
    void start(long offset, long length, Segments target, long skipBytes, IoCallback done) {
        into = target;
        skip = skipBytes;
        start = offset;
        whenDone = done;
        entered = disk.enter();
        begin(offset, length);
    }

    @Override
    void scan() {
        Mapping mapping = disk.mapping;
        while (position < end) {
            disk.map.lookup(position, end - position, mapping);
            long length = mapping.length();
            long from = position;
            long at = skip + from - start;
            position += length;
            switch (mapping.kind()) {
                case NOT_LOADED -> {
                    mapping.tables().load(mapping.fileOffset(), this);
                    return;
                }
                case DATA, SHARED -> {
                    IoFile file = mapping.file();
                    part();
                    file.read(mapping.fileOffset(), into, at, length, this);
                }
                case ZERO -> into.zero(at, length);
                case UNALLOCATED -> readBacking(from, at, length);
                case COMPRESSED -> {
                    part();
                    disk.compressed.read(mapping, into, at, this);
                }
                case CORRUPT -> fail(Errno.EIO);
            }
        }
        done(0);
    }

    private void readBacking(long from, long at, long length) {
        long there = Math.max(0, Math.min(length, disk.backingSize - from));
        if (there > 0) {
            part();
            disk.backingRequest().start(this, from, into, at, there);
        }
        if (there < length) {
            into.zero(at + there, length - there);
        }
    }

    @Override
    void finished(int firstError) {
        IoCallback callback = whenDone;
        whenDone = null;
        into = null;
        int turn = entered;
        disk.recycle(this);
        disk.leave(turn);
        callback.done(firstError);
    }
}
