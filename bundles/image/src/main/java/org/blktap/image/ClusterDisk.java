package org.blktap.image;

import java.util.List;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;

/**
 * A disk whose clusters are found by a {@link ClusterMap}. It has what all such formats have in common: waiting for
 * tables, reading from the backing disk, copying clusters up, and the order in which data and tables reach the file. A
 * request whose bytes are one run of the file goes straight to the engine; all others become operations, which do not
 * refer to the disk itself.
 */
public final class ClusterDisk implements VirtualDisk {
    private final ClusterMap map;
    private final DiskInfo info;
    private final Backing backing;
    private final CompressedClusters compressed;
    private final BufferPool buffers;
    private final BusyRanges busy = new BusyRanges();
    private final Commits commits;
    /** Non-null only for maps that reuse freed clusters. */
    private final InFlight inFlight;
    /** The place of the request that is being submitted. */
    private final Place place = new Place();

    private final Pool<ReadOperation> reads;
    private final Pool<ChangeOperation> changes;
    private final Pool<MapOperation> maps;
    private final Pool<FlushOperation> flushes;
    private final Pool<DirectRequest> directRequests;

    /**
     * @param files all files that the map puts bytes into; a flush covers them
     * @param backing the disk whose bytes unallocated clusters show, or null; closed with this disk
     */
    public ClusterDisk(
            ClusterMap map, List<IoFile> files, VirtualDisk backing, DiskInfo info, IoLoop loop, NativeMemory memory) {
        this.map = map;
        this.info = info;
        this.backing = new Backing(backing);
        compressed = new CompressedClusters(loop, memory, map.largestUnit(), map.compression());
        buffers = new BufferPool(memory, map.largestUnit());
        inFlight = map.space().inFlight();
        DataFiles dataFiles = new DataFiles(files);
        commits = new Commits(map, dataFiles);
        reads = new Pool<>(pool -> new ReadOperation(map, this.backing, compressed, pool));
        long size = info.sizeBytes();
        Pool<AllocatingWrite> writes =
                new Pool<>(pool -> new AllocatingWrite(map, size, busy, buffers, commits, reads, pool));
        changes = new Pool<>(pool -> new ChangeOperation(map, size, this.backing, busy, commits, writes, pool));
        maps = new Pool<>(pool -> new MapOperation(map, this.backing, pool));
        flushes = new Pool<>(pool -> new FlushOperation(map.space(), commits, dataFiles, pool));
        directRequests = new Pool<>(pool -> new DirectRequest(inFlight, pool));
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        switch (request.operation()) {
            case READ -> read(request);
            case WRITE -> write(request);
            case DISCARD, WRITE_ZEROES -> changes.take().start(request, null);
            case FLUSH -> flushes.take().start(request);
            case MAP -> maps.take().start(request);
        }
    }

    private void read(Request request) {
        Place found = find(request);
        long length = request.length();
        if (found.isOneRun(length)) {
            found.file().read(found.fileOffset(), request.data(), 0, length, direct(request));
        } else if (request.has(Request.SPARSE) && found.isZeros(length, backing.size())) {
            request.markZeros();
            request.complete(0);
        } else {
            reads.take().start(found, length, request.data(), request);
        }
    }

    private void write(Request request) {
        Place found = find(request);
        long length = request.length();
        if (found.isOneRun(length)
                && busy.find(request.offset(), request.offset() + length) == null
                && !commits.unsure()) {
            found.file().write(found.fileOffset(), request.data(), 0, length, direct(request));
        } else {
            changes.take().start(request, found);
        }
    }

    private Place find(Request request) {
        place.ask(request.offset());
        map.find(request.offset(), request.length(), place);
        return place;
    }

    /** Returns the callback for a request that is one file operation. */
    private IoCallback direct(Request request) {
        return inFlight == null ? request : directRequests.take().of(request);
    }

    int clusterSize() {
        return map.clusterSize();
    }

    long backingSize() {
        return backing.size();
    }

    @Override
    public void close() {
        map.close();
        compressed.close();
        buffers.close();
        backing.close();
    }
}
