package org.blktap.image;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.memory.Alignment;

/** A write, zeroing or discard: allocated runs are changed in place, others are allocated if needed. Pooled. */
final class ChangeOperation extends DiskOperation {
    /** Most allocating writes that one request has in flight, so that a long request does not fill the disk's lists. */
    private static final int MOST_ALLOCATING = 64;

    private final long diskSize;
    private final Backing backing;
    private final BusyRanges busy;
    private final Commits commits;
    private final Pool<AllocatingWrite> writes;
    private final Pool<ChangeOperation> pool;
    private final IoCallback allocated = this::allocated;
    private final IoCallback prepared = this::prepared;
    private Request request;
    private int allocating;
    private boolean waitsForOwn;
    /** Whether the request allows its range to lose its space. */
    private boolean unmaps;

    /** @param diskSize bytes */
    ChangeOperation(
            ClusterMap map,
            long diskSize,
            Backing backing,
            BusyRanges busy,
            Commits commits,
            Pool<AllocatingWrite> writes,
            Pool<ChangeOperation> pool) {
        super(map);
        this.diskSize = diskSize;
        this.backing = backing;
        this.busy = busy;
        this.commits = commits;
        this.writes = writes;
        this.pool = pool;
    }

    /** @param first the answer to a look-up of the request's first byte, or null */
    void start(Request asked, Place first) {
        request = asked;
        allocating = 0;
        waitsForOwn = false;
        unmaps = asked.operation() != Operation.WRITE && !asked.has(Request.NO_UNMAP);
        if (commits.unsure()) {
            prepare(asked.offset(), asked.length());
            commits.mend(this);
        } else if (first == null) {
            begin(asked.offset(), asked.length());
        } else {
            begin(first, asked.length());
        }
    }

    @Override
    void scan() {
        while (position < end) {
            Place place = find();
            long from = position;
            long length = place.length();
            Place.Kind kind = place.kind();
            if (unmaps && reuses() && kind != Place.Kind.NOT_LOADED && kind != Place.Kind.CORRUPT) {
                Answer answer = release(place);
                if (answer == Answer.NO_TABLE) {
                    return;
                }
                if (answer != Answer.REFUSED) {
                    continue;
                }
                long inUnit = from & map.largestUnit() - 1;
                if (inUnit != 0) {
                    // the next unit may be released
                    length = Math.min(length, map.largestUnit() - inUnit);
                }
            }
            switch (kind) {
                case NOT_LOADED -> {
                    place.tables().load(place.fileOffset(), this);
                    return;
                }
                case DATA -> {
                    // the table in memory may be ahead of the one in the file
                    Allocation holder = busy.find(from, from + 1);
                    if (holder != null) {
                        holder.await(this);
                        return;
                    }
                    length = busy.firstBusy(from, from + length) - from;
                    position += length;
                    inPlace(place, length);
                }
                case CORRUPT -> {
                    position += length;
                    fail(Errno.EIO);
                }
                case ZERO, UNALLOCATED, SHARED, COMPRESSED -> {
                    if (!needsClusters(place)) {
                        position += length;
                    } else if (!allocate(place, length)) {
                        return;
                    }
                }
            }
        }
        done(0);
    }

    /**
     * Releases the space of whole units from here on, and moves past them. Returns NO_TABLE if it must wait, REFUSED if
     * they keep their space.
     */
    private Answer release(Place place) {
        long from = position;
        long unit = map.largestUnit();
        long whole = end == diskSize ? end - from : Alignment.down(end - from, unit);
        if (!Alignment.isAligned(from, unit) || whole <= 0) {
            return Answer.REFUSED;
        }
        if (allocating == MOST_ALLOCATING) {
            waitsForOwn = true;
            return Answer.NO_TABLE;
        }
        Allocation holder = busy.find(from, Math.min(from + unit, end));
        if (holder != null) {
            holder.await(this);
            return Answer.NO_TABLE;
        }
        long free = busy.firstBusy(from, from + whole) - from;
        AllocatingWrite write = writes.take();
        Allocation allocation = write.cleared();
        Answer answer = map.release(
                place,
                free == whole ? whole : Alignment.down(free, unit),
                request.operation() == Operation.WRITE_ZEROES,
                allocation);
        switch (answer) {
            case ALLOCATED -> {
                position += allocation.change().length();
                part();
                allocating++;
                write.startEntries(allocated);
            }
            case NOTHING -> {
                position += allocation.change().length();
                writes.give(write);
            }
            case NO_TABLE -> {
                TableCache full = allocation.cache();
                writes.give(write);
                full.awaitRoom(this);
            }
            default -> writes.give(write);
        }
        return answer;
    }

    private void inPlace(Place place, long length) {
        part();
        switch (request.operation()) {
            case WRITE ->
                place.file().write(place.fileOffset(), request.data(), place.offset() - request.offset(), length, this);
            case WRITE_ZEROES -> place.file().zero(place.fileOffset(), length, !request.has(Request.NO_UNMAP), this);
            default -> place.file().discard(place.fileOffset(), length, this);
        }
    }

    private boolean needsClusters(Place place) {
        return switch (request.operation()) {
            case WRITE -> true;
            case WRITE_ZEROES -> request.has(Request.NO_UNMAP) || place.hasContents(place.offset(), backing.size());
            default -> false;
        };
    }

    /** Starts an allocating write for the run or its beginning, and moves past it; false if it must wait. */
    private boolean allocate(Place place, long length) {
        if (allocating == MOST_ALLOCATING) {
            waitsForOwn = true;
            return false;
        }
        long from = position;
        long clusterSize = map.clusterSize();
        long start = Alignment.down(from, clusterSize);
        Allocation holder = busy.find(start, start + clusterSize);
        if (holder != null) {
            holder.await(this);
            return false;
        }
        long free = busy.firstBusy(start, from + length) - from;
        boolean contents = place.hasContents(start, backing.size());
        if (contents && from != start) {
            // a buffer has room for one cluster, for the bytes that are copied up before and after the data
            free = Math.min(free, start + clusterSize - from);
        }
        free = Math.min(length, free);
        AllocatingWrite write = writes.take();
        Allocation allocation = write.cleared();
        Answer answer = zeroMarks(place, free, start, allocation);
        if (answer == Answer.REFUSED) {
            answer = map.allocate(place, free, allocation);
        }
        if (answer == Answer.PREPARED) {
            part();
            allocating++;
            write.startEntries(prepared);
            return false;
        }
        if (answer != Answer.ALLOCATED) {
            TableCache cache = allocation.cache();
            long table = allocation.tableOffset();
            writes.give(write);
            if (answer == Answer.NO_TABLE) {
                cache.awaitRoom(this);
                return false;
            }
            if (answer == Answer.NOT_LOADED) {
                cache.load(table, this);
                return false;
            }
            fail(Errno.EIO);
            position += free;
            return true;
        }
        position += allocation.change().length();
        part();
        allocating++;
        if (request.operation() == Operation.WRITE) {
            write.start(request.data(), from - request.offset(), contents, allocated);
        } else {
            write.startZeros(contents, request.has(Request.NO_UNMAP), allocated);
        }
        return true;
    }

    /** Marks zeros that need no space, if the format has such marks and the zeros cover whole clusters. */
    private Answer zeroMarks(Place place, long length, long start, Allocation into) {
        long from = place.offset();
        if (request.operation() == Operation.WRITE || request.has(Request.NO_UNMAP) || from != start) {
            return Answer.REFUSED;
        }
        boolean toTheEnd = from + length == diskSize;
        long whole = toTheEnd ? length : Alignment.down(length, map.clusterSize());
        return whole == 0 ? Answer.REFUSED : map.markZero(place, whole, into);
    }

    /** Called when an allocating write of this operation has ended. */
    private void allocated(int error) {
        allocating--;
        boolean goOn = waitsForOwn;
        waitsForOwn = false;
        done(error);
        if (goOn) {
            scan();
        }
    }

    /** Called when a table that the map needs is in the file, or could not be made: then the rest is not tried. */
    private void prepared(int error) {
        allocating--;
        if (error != 0) {
            position = end;
        }
        done(error);
        scan();
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
