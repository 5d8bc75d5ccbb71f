package org.blktap.image;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoFile;

/** A write, zeroing or discard: runs that are there are changed in place, others are allocated where that is needed. Pooled. */
final class ChangeOperation extends DiskOperation {
    /** Bound on what one request adds to the disk's lists, however much it covers. */
    private static final int MOST_ALLOCATING = 64;

    private Request request;
    private int allocating;
    private boolean waitsForOwn;
    /** Whether the request lets its range lose its space. */
    private boolean unmaps;
    private int entered;

    ChangeOperation(ClusterDisk disk) {
        super(disk);
    }

    void start(Request asked) {
        request = asked;
        allocating = 0;
        waitsForOwn = false;
        unmaps = asked.operation() != Operation.WRITE && !asked.has(Request.NO_UNMAP);
        entered = disk.enter();
        if (disk.commits.unsure()) {
            beginLater(asked.offset(), asked.length());
            disk.commits.mend(this);
        } else {
            begin(asked.offset(), asked.length());
        }
    }

    @Override
    void scan() {
        Mapping mapping = disk.mapping;
        while (position < end) {
            disk.map.lookup(position, end - position, mapping);
            long from = position;
            long length = mapping.length();
            Mapping.Kind kind = mapping.kind();
            if (unmaps && disk.inFlight != null && kind != Mapping.Kind.NOT_LOADED && kind != Mapping.Kind.CORRUPT) {
                int answer = release(from);
                if (answer == ClusterMap.NO_TABLE) {
                    return;
                }
                if (answer != ClusterMap.REFUSED) {
                    continue;
                }
                long inUnit = from & disk.map.largestUnit() - 1;
                if (inUnit != 0) {
                    // the next unit may be released
                    length = Math.min(length, disk.map.largestUnit() - inUnit);
                }
            }
            switch (kind) {
                case NOT_LOADED -> {
                    mapping.tables().load(mapping.fileOffset(), this);
                    return;
                }
                case DATA -> {
                    // a table in memory may already say what the one in the file does not say yet
                    AllocatingWrite holder = disk.busy.find(from, from + 1);
                    if (holder != null) {
                        holder.waiters.add(this);
                        return;
                    }
                    length = disk.busy.firstBusy(from, from + length) - from;
                    position += length;
                    inPlace(mapping.file(), mapping.fileOffset(), from, length);
                }
                case CORRUPT -> {
                    position += length;
                    fail(Errno.EIO);
                }
                case ZERO, UNALLOCATED, SHARED, COMPRESSED -> {
                    if (!needsClusters(kind, from, length)) {
                        position += length;
                    } else if (!allocate(kind, from, length)) {
                        return;
                    }
                }
            }
        }
        done(0);
    }

    /** Lets whole units from here on lose their space, and moves on past them; NO_TABLE if it has to wait, REFUSED if they have to stay. */
    private int release(long from) {
        long unit = disk.map.largestUnit();
        long whole = end == disk.info().sizeBytes() ? end - from : end - from & -unit;
        if ((from & unit - 1) != 0 || whole <= 0) {
            return ClusterMap.REFUSED;
        }
        if (allocating == MOST_ALLOCATING) {
            waitsForOwn = true;
            return ClusterMap.NO_TABLE;
        }
        AllocatingWrite holder = disk.busy.find(from, Math.min(from + unit, end));
        if (holder != null) {
            holder.waiters.add(this);
            return ClusterMap.NO_TABLE;
        }
        long free = disk.busy.firstBusy(from, from + whole) - from;
        AllocatingWrite write = disk.allocatingWrite();
        Allocation allocation = write.allocation;
        int answer = disk.map.release(from, free == whole ? whole : free & -unit, request.operation() == Operation.WRITE_ZEROES, allocation);
        if (answer == ClusterMap.ALLOCATED) {
            position += allocation.length();
            part();
            allocating++;
            write.start(this, from, null, 0, false, false);
            return answer;
        }
        TableCache full = allocation.tables();
        long nothing = allocation.length();
        disk.recycle(write);
        if (answer == ClusterMap.NO_TABLE) {
            full.awaitRoom(this);
        } else if (answer == ClusterMap.NOTHING) {
            position += nothing;
        }
        return answer;
    }

    private void inPlace(IoFile file, long fileOffset, long from, long length) {
        part();
        switch (request.operation()) {
            case WRITE -> file.write(fileOffset, request.data(), from - request.offset(), length, this);
            case WRITE_ZEROES -> file.zero(fileOffset, length, !request.has(Request.NO_UNMAP), this);
            default -> file.discard(fileOffset, length, this);
        }
    }

    private boolean needsClusters(Mapping.Kind kind, long from, long length) {
        return switch (request.operation()) {
            case WRITE -> true;
            case WRITE_ZEROES -> request.has(Request.NO_UNMAP) || disk.hasContents(kind, from);
            default -> false;
        };
    }

    /** Starts an allocating write for the run or its beginning, and moves on past it; false if it has to wait. */
    private boolean allocate(Mapping.Kind kind, long from, long length) {
        if (allocating == MOST_ALLOCATING) {
            waitsForOwn = true;
            return false;
        }
        long clusterSize = disk.map.clusterSize();
        long start = from & -clusterSize;
        AllocatingWrite holder = disk.busy.find(start, start + clusterSize);
        if (holder != null) {
            holder.waiters.add(this);
            return false;
        }
        long free = disk.busy.firstBusy(start, from + length) - from;
        boolean contents = disk.hasContents(kind, start);
        if (contents && from != start) {
            // one buffer holds what is copied up before and after the data of one cluster
            free = Math.min(free, start + clusterSize - from);
        }
        free = Math.min(length, free);
        AllocatingWrite write = disk.allocatingWrite();
        int answer = zeroMarks(from, free, start, write.allocation);
        if (answer == ClusterMap.REFUSED) {
            answer = disk.map.allocate(from, free, write.allocation);
        }
        if (answer != ClusterMap.ALLOCATED) {
            TableCache full = write.allocation.tables();
            disk.recycle(write);
            if (answer == ClusterMap.NO_TABLE) {
                full.awaitRoom(this);
                return false;
            }
            fail(Errno.EIO);
            position += free;
            return true;
        }
        position += write.allocation.length();
        part();
        allocating++;
        boolean zeros = request.operation() != Operation.WRITE;
        write.start(this, from, zeros ? null : request.data(), from - request.offset(), contents,
                zeros && request.has(Request.NO_UNMAP));
        return true;
    }

    /** An allocating write of this operation has ended. */
    void allocated(int error) {
        allocating--;
        boolean goOn = waitsForOwn;
        waitsForOwn = false;
        done(error);
        if (goOn) {
            scan();
        }
    }

    /** Zeros that must take no space are marked, where the format can and they cover whole clusters. */
    private int zeroMarks(long from, long length, long start, Allocation into) {
        if (request.operation() == Operation.WRITE || request.has(Request.NO_UNMAP) || from != start) {
            return ClusterMap.REFUSED;
        }
        boolean toTheEnd = from + length == disk.info().sizeBytes();
        long whole = toTheEnd ? length : length & -disk.map.clusterSize();
        return whole == 0 ? ClusterMap.REFUSED : disk.map.markZero(from, whole, into);
    }

    @Override
    void finished(int firstError) {
        Request ended = request;
        request = null;
        int turn = entered;
        disk.recycle(this);
        disk.leave(turn);
        ended.complete(firstError);
    }
}
