package org.blktap.format.vmdk;

import java.util.ArrayDeque;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Allocation;
import org.blktap.image.ClusterMap;
import org.blktap.image.DirtyTables;
import org.blktap.image.Mapping;

/** The extents of a disk, one after the other. Each sparse one has its own tables and its own end of file. */
final class VmdkMap implements ClusterMap {
    private final VmdkImage image;
    private final Extent[] extents;
    private final long[] starts;
    private final int grainBytes;
    private final int largestGrain;
    private final ArrayDeque<AllIdle> idle = new ArrayDeque<>();
    private Extent last;

    /**
     * @param image closed with this map; not if the constructor fails
     * @param cacheBytes for grain tables, of all extents
     */
    VmdkMap(VmdkImage image, boolean readOnly, IoLoop loop, NativeMemory memory, long cacheBytes) throws DiskException {
        this.image = image;
        largestGrain = image.largestGrain();
        grainBytes = readOnly ? largestGrain : image.writtenGrain();
        List<VmdkImage.Part> parts = image.parts();
        extents = new Extent[parts.size()];
        starts = new long[extents.length];
        boolean done = false;
        try {
            for (int i = 0; i < extents.length; i++) {
                extents[i] = extent(parts.get(i), readOnly, loop, memory, cacheBytes / extents.length);
                starts[i] = extents[i].start;
            }
            done = true;
        } finally {
            if (!done) {
                closeExtents();
            }
        }
        last = extents[0];
    }

    private static Extent extent(VmdkImage.Part part, boolean readOnly, IoLoop loop, NativeMemory memory, long cacheBytes) throws DiskException {
        if (part.line().access() == Descriptor.Access.NOACCESS) {
            return new BlankExtent(part);
        }
        return switch (part.line().type()) {
            case ZERO -> new BlankExtent(part);
            case FLAT, VMFS -> new FlatExtent(part);
            case SPARSE, VMFSSPARSE -> new SparseExtent(part, readOnly, loop, memory, cacheBytes);
            case SESPARSE -> new SeSparseExtent(part, memory, cacheBytes);
        };
    }

    private Extent find(long offset) {
        Extent found = last;
        if (offset < found.start || offset >= found.end) {
            int low = 0;
            for (int high = starts.length - 1; low < high; ) {
                int middle = low + high + 1 >>> 1;
                if (starts[middle] <= offset) {
                    low = middle;
                } else {
                    high = middle - 1;
                }
            }
            found = extents[low];
            last = found;
        }
        return found;
    }

    @Override
    public int clusterSize() {
        return grainBytes;
    }

    @Override
    public int largestUnit() {
        return largestGrain;
    }

    @Override
    public void lookup(long offset, long length, Mapping into) {
        Extent extent = find(offset);
        extent.lookup(offset - extent.start, Math.min(length, extent.end - offset), into);
    }

    @Override
    public int allocate(long offset, long length, Allocation into) {
        SparseExtent extent = find(offset).sparse();
        return extent == null ? REFUSED : extent.allocate(offset, length, false, into);
    }

    @Override
    public int markZero(long offset, long length, Allocation into) {
        SparseExtent extent = find(offset).sparse();
        return extent == null ? REFUSED : extent.allocate(offset, length, true, into);
    }

    @Override
    public void commit(Allocation allocation, DirtyTables dirty) {
        find(allocation.offset()).sparse().commit(allocation, dirty);
    }

    @Override
    public void undo(Allocation allocation, DirtyTables dirty) {
        find(allocation.offset()).sparse().undo(allocation, dirty);
    }

    @Override
    public void settled(Allocation allocation, boolean kept) {
        allocation.releaseTable(kept);
    }

    @Override
    public int takeFlushError() {
        int first = 0;
        for (Extent extent : extents) {
            int error = extent.sparse() == null ? 0 : extent.sparse().space().takeFlushError();
            first = first == 0 ? error : first;
        }
        return first;
    }

    @Override
    public void whenIdle(Runnable task) {
        AllIdle pooled = idle.poll();
        (pooled == null ? new AllIdle() : pooled).start(task);
    }

    /** Waits for one extent after the other. Pooled. */
    private final class AllIdle implements Runnable {
        private Runnable task;
        private int next;

        void start(Runnable whenAll) {
            task = whenAll;
            next = 0;
            run();
        }

        @Override
        public void run() {
            while (next < extents.length) {
                SparseExtent extent = extents[next++].sparse();
                if (extent != null) {
                    extent.space().whenIdle(this);
                    return;
                }
            }
            Runnable ended = task;
            task = null;
            idle.push(this);
            ended.run();
        }
    }

    private void closeExtents() {
        for (Extent extent : extents) {
            if (extent != null) {
                extent.close();
            }
        }
    }

    @Override
    public void close() {
        closeExtents();
        image.close();
    }
}
