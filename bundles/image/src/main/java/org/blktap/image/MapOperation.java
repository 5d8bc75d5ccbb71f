package org.blktap.image;

import org.blktap.api.disk.Request;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;

/** Reports how a range is stored, run by run. Holes of the file are reported as holes. Pooled. */
final class MapOperation extends DiskOperation implements Request.Completion {
    /** Extents after which a map stops; the caller asks again for the rest. */
    private static final int ENOUGH = 1024;

    private final Backing backing;
    private final Pool<MapOperation> pool;
    private final Request below = new Request(this, 0);
    private final ExtentList belowExtents = new ExtentList();
    private final IoCallback mapped = this::mapped;
    private Request request;
    private long totalBefore;
    /** Bytes that the file or the backing disk has been asked for. */
    private long asked;

    private boolean scanning;
    private boolean waiting;

    MapOperation(ClusterMap map, Backing backing, Pool<MapOperation> pool) {
        super(map);
        this.backing = backing;
        this.pool = pool;
    }

    void start(Request map) {
        request = map;
        totalBefore = map.extents().total();
        waiting = false;
        begin(map.offset(), map.length());
    }

    @Override
    void scan() {
        scanning = true;
        ExtentList list = request.extents();
        while (!failed() && position < end && list.count() < ENOUGH) {
            Place place = find();
            long from = position;
            long length = place.length();
            switch (place.kind()) {
                case NOT_LOADED -> {
                    scanning = false;
                    place.tables().load(place.fileOffset(), this);
                    return;
                }
                case DATA, SHARED -> {
                    if (depthOnly()) {
                        add(list, length, ExtentList.DATA, ExtentList.HERE);
                    } else {
                        waiting = true;
                        asked = length;
                        place.file().map(place.fileOffset(), length, list, mapped);
                    }
                }
                case UNALLOCATED -> {
                    if (from < backing.size()) {
                        waiting = true;
                        asked = Math.min(length, backing.size() - from);
                        belowExtents.clear();
                        backing.submit(
                                depthOnly()
                                        ? below.setDepthMap(from, asked, belowExtents)
                                        : below.setMap(from, asked, belowExtents));
                    } else {
                        add(list, length, ExtentList.HOLE | ExtentList.ZERO, ExtentList.NOWHERE);
                    }
                }
                case ZERO -> add(list, length, ExtentList.HOLE | ExtentList.ZERO, ExtentList.HERE);
                case COMPRESSED, CORRUPT -> add(list, length, ExtentList.DATA, ExtentList.HERE);
            }
            if (waiting) {
                scanning = false;
                return;
            }
        }
        scanning = false;
        done(0);
    }

    private boolean depthOnly() {
        return request.has(Request.DEPTH_ONLY);
    }

    private void add(ExtentList list, long length, int state, int depth) {
        list.add(length, state, depth);
        position += length;
    }

    @Override
    public void completed(Request ended) {
        if (ended.error() == 0 && belowExtents.count() == 0) {
            // an empty answer: the range is taken to be data of the backing image
            belowExtents.add(asked, ExtentList.DATA);
        }
        request.extents().addBacking(belowExtents);
        mapped(ended.error());
    }

    /** Takes the answer of the file or the backing disk, perhaps during the call in {@link #scan}. */
    private void mapped(int error) {
        waiting = false;
        long next = request.offset() + request.extents().total() - totalBefore;
        if (error != 0) {
            fail(error);
        } else if (next <= position) {
            // an empty answer: the range is taken to be data
            add(request.extents(), asked, ExtentList.DATA, ExtentList.HERE);
        } else {
            position = next;
        }
        if (!scanning) {
            scan();
        }
    }

    @Override
    void finished(int firstError) {
        Request ended = request;
        request = null;
        int turn = entered();
        pool.give(this);
        leave(turn);
        ended.complete(firstError);
    }
}
