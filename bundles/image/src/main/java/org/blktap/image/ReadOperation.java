package org.blktap.image;

import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.memory.Segments;

/** Reads a range of the disk in its committed state: for guests, and for copying clusters up. Pooled. */
final class ReadOperation extends DiskOperation {
    private final Backing backing;
    private final CompressedClusters compressed;
    private final Pool<ReadOperation> pool;
    private Segments into;
    private long skip;
    private long start;
    private IoCallback whenDone;

    ReadOperation(ClusterMap map, Backing backing, CompressedClusters compressed, Pool<ReadOperation> pool) {
        super(map);
        this.backing = backing;
        this.compressed = compressed;
        this.pool = pool;
    }

    /** Reads into bytes {@code [skip, skip + length)} of the list, which must not change until the end. */
    void start(long offset, long length, Segments target, long skipBytes, IoCallback done) {
        set(offset, target, skipBytes, done);
        begin(offset, length);
    }

    /** Reads from a place that has just been looked up, into the beginning of the list. */
    void start(Place first, long length, Segments target, IoCallback done) {
        set(first.offset(), target, 0, done);
        begin(first, length);
    }

    private void set(long offset, Segments target, long skipBytes, IoCallback done) {
        into = target;
        skip = skipBytes;
        start = offset;
        whenDone = done;
    }

    @Override
    void scan() {
        while (position < end) {
            Place place = find();
            long length = place.length();
            long from = position;
            long at = skip + from - start;
            position += length;
            switch (place.kind()) {
                case NOT_LOADED -> {
                    place.tables().load(place.fileOffset(), this);
                    return;
                }
                case DATA, SHARED -> {
                    part();
                    place.file().read(place.fileOffset(), into, at, length, this);
                }
                case ZERO -> into.zero(at, length);
                case UNALLOCATED -> readBacking(from, at, length);
                case COMPRESSED -> {
                    part();
                    compressed.read(place, into, at, this);
                }
                case CORRUPT -> fail(Errno.EIO);
            }
        }
        done(0);
    }

    private void readBacking(long from, long at, long length) {
        long there = Math.max(0, Math.min(length, backing.size() - from));
        if (there > 0) {
            part();
            backing.read(from, into, at, there, this);
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
        int turn = entered();
        pool.give(this);
        leave(turn);
        callback.done(firstError);
    }
}
