package org.blktap.format.vmdk;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Allocation;
import org.blktap.image.Answer;
import org.blktap.image.ClusterMap;
import org.blktap.image.Compression;
import org.blktap.image.DirtyTables;
import org.blktap.image.EntryChange;
import org.blktap.image.Place;
import org.blktap.image.SeveralSpaces;
import org.blktap.image.Space;

/** The extents of a disk, one after the other. Each sparse one has its own tables and its own end of file. */
final class VmdkMap implements ClusterMap {
    private final VmdkImage image;
    private Runnable closed;
    private final Extent[] extents;
    private final long[] starts;
    private final int grainBytes;
    private final int largestGrain;
    /** The spaces of all extents that may be written. */
    private final Space space;

    private Extent last;

    /**
     * @param image closed with this map; not if the constructor fails
     * @param cacheBytes for grain tables, of all extents
     */
    VmdkMap(VmdkImage image, boolean readOnly, IoLoop loop, NativeMemory memory, long cacheBytes) throws DiskException {
        this.image = image;
        closed = () -> {};
        largestGrain = image.largestGrain();
        grainBytes = readOnly ? largestGrain : image.writtenGrain();
        List<VmdkImage.Part> parts = image.parts();
        extents = new Extent[parts.size()];
        starts = new long[extents.length];
        try (CloseOnFailure opened = new CloseOnFailure(this::closeExtents)) {
            for (int i = 0; i < extents.length; i++) {
                extents[i] = extent(parts.get(i), readOnly, loop, memory, cacheBytes / extents.length);
                starts[i] = extents[i].start;
            }
            opened.keep();
        }
        space = new SeveralSpaces(Arrays.stream(extents)
                .map(Extent::sparse)
                .filter(Objects::nonNull)
                .map(SparseExtent::space)
                .toList());
        last = extents[0];
    }

    private static Extent extent(
            VmdkImage.Part part, boolean readOnly, IoLoop loop, NativeMemory memory, long cacheBytes)
            throws DiskException {
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

    private Extent extent(long offset) {
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
    public Compression compression() {
        return new Compression(image.mostCompressed(), GrainInflater::new);
    }

    @Override
    public void find(long offset, long length, Place into) {
        Extent extent = extent(offset);
        extent.find(offset - extent.start, Math.min(length, extent.end - offset), into);
    }

    @Override
    public Answer allocate(Place found, long length, Allocation into) {
        SparseExtent extent = extent(found.offset()).sparse();
        return extent == null ? Answer.REFUSED : extent.allocate(found, length, into);
    }

    @Override
    public Answer markZero(Place found, long length, Allocation into) {
        SparseExtent extent = extent(found.offset()).sparse();
        return extent == null ? Answer.REFUSED : extent.markZero(found, length, into);
    }

    @Override
    public void commit(EntryChange change, DirtyTables dirty) {
        extent(change.offset()).sparse().commit(change, dirty);
    }

    @Override
    public void undo(EntryChange change, DirtyTables dirty) {
        extent(change.offset()).sparse().undo(change, dirty);
    }

    @Override
    public void settled(EntryChange change, boolean kept) {
        change.releaseTable(kept);
    }

    @Override
    public Space space() {
        return space;
    }

    private void closeExtents() {
        for (Extent extent : extents) {
            if (extent != null) {
                extent.close();
            }
        }
    }

    /** Runs something when the map is closed. */
    void whenClosed(Runnable action) {
        closed = action;
    }

    @Override
    public void close() {
        closed.run();
        closeExtents();
        image.close();
    }
}
