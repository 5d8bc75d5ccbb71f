package org.blktap.image;

import java.util.ArrayDeque;
import java.util.List;
import java.util.function.Supplier;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;

/**
 * A disk whose clusters are found by a {@link ClusterMap}. What all such formats have in common happens here: waiting for
 * tables, reading through to the backing disk, copying clusters up, and the order in which data and tables
 * reach the file. A request whose bytes are one run of the file goes to the engine as it is.
 */
public final class ClusterDisk implements VirtualDisk {
    final ClusterMap map;
    final VirtualDisk backing;
    /** Bytes; past it the backing reads as zeros. */
    final long backingSize;
    final CompressedClusters compressed;
    final BufferPool buffers;
    final BusyRanges busy = new BusyRanges();
    final Commits commits = new Commits(this);
    /** The answer of the last look-up; good until anything else runs. */
    final Mapping mapping = new Mapping();
    /** Non-null only for maps that reuse freed clusters. */
    final InFlight inFlight;
    private final DiskInfo info;
    private final List<IoFile> files;
    private final ArrayDeque<ReadOperation> reads = new ArrayDeque<>();
    private final ArrayDeque<ChangeOperation> changes = new ArrayDeque<>();
    private final ArrayDeque<MapOperation> maps = new ArrayDeque<>();
    private final ArrayDeque<FlushOperation> flushes = new ArrayDeque<>();
    private final ArrayDeque<AllocatingWrite> allocatingWrites = new ArrayDeque<>();
    private final ArrayDeque<BackingRequest> backingRequests = new ArrayDeque<>();
    private DirectRequest directRequests;

    /**
     * @param files all files that the map puts bytes into; a flush covers them
     * @param backing what is seen through unallocated clusters, or null; closed with this disk
     * @param mostCompressed bytes of a compressed cluster at most
     * @param decompressors makes one for each cluster that is decompressed at a time
     */
    public ClusterDisk(ClusterMap map, List<IoFile> files, VirtualDisk backing, DiskInfo info, IoLoop loop,
            NativeMemory memory, int mostCompressed, Supplier<Decompressor> decompressors) {
        this.map = map;
        this.files = List.copyOf(files);
        this.backing = backing;
        this.backingSize = backing == null ? 0 : backing.info().sizeBytes();
        this.info = info;
        this.inFlight = map.inFlight();
        this.compressed = new CompressedClusters(loop, memory, map.largestUnit(), mostCompressed, decompressors);
        this.buffers = new BufferPool(memory, map.largestUnit());
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void submit(Request request) {
        long offset = request.offset();
        long length = request.length();
        switch (request.operation()) {
            case READ -> {
                if (isOneRun(offset, length)) {
                    mapping.file().read(mapping.fileOffset(), request.data(), 0, length, direct(request));
                } else if (request.has(Request.SPARSE) && isZeros(offset, length)) {
                    request.markZeros();
                    request.complete(0);
                } else {
                    readOperation().start(offset, length, request.data(), 0, request);
                }
            }
            case WRITE -> {
                if (isOneRun(offset, length) && busy.find(offset, offset + length) == null && !commits.unsure()) {
                    mapping.file().write(mapping.fileOffset(), request.data(), 0, length, direct(request));
                } else {
                    changeOperation().start(request);
                }
            }
            case DISCARD, WRITE_ZEROES -> changeOperation().start(request);
            case FLUSH -> flushOperation().start(request);
            case MAP -> mapOperation().start(request);
        }
    }

    private IoCallback direct(Request request) {
        if (inFlight == null) {
            return request;
        }
        DirectRequest pooled = directRequests;
        if (pooled == null) {
            pooled = new DirectRequest(this);
        } else {
            directRequests = pooled.next;
        }
        return pooled.of(request, inFlight.enter());
    }

    /** Called when a request begins that may use a place in the file; the result is for {@link #leave}. */
    int enter() {
        return inFlight == null ? 0 : inFlight.enter();
    }

    /** Called when a request has ended. */
    void leave(int entered) {
        if (inFlight != null) {
            inFlight.leave(entered);
        }
    }

    private boolean isOneRun(long offset, long length) {
        map.lookup(offset, length, mapping);
        return mapping.length() == length && mapping.kind() == Mapping.Kind.DATA;
    }

    /** Whether the look-up of {@link #isOneRun} found zeros. */
    private boolean isZeros(long offset, long length) {
        return mapping.length() == length && (mapping.kind() == Mapping.Kind.ZERO
                || mapping.kind() == Mapping.Kind.UNALLOCATED && offset >= backingSize);
    }

    /** Makes what has been written to the files survive power loss. */
    void flush(IoCallback done) {
        if (files.size() == 1) {
            files.get(0).flush(done);
        } else {
            flushOperation().start(done);
        }
    }

    List<IoFile> files() {
        return files;
    }

    /** Whether clusters of this kind at an offset may read as anything but zeros. */
    boolean hasContents(Mapping.Kind kind, long clusterStart) {
        return kind == Mapping.Kind.COMPRESSED || kind == Mapping.Kind.SHARED || kind == Mapping.Kind.UNALLOCATED && clusterStart < backingSize;
    }

    ReadOperation readOperation() {
        ReadOperation pooled = reads.poll();
        return pooled == null ? new ReadOperation(this) : pooled;
    }

    private ChangeOperation changeOperation() {
        ChangeOperation pooled = changes.poll();
        return pooled == null ? new ChangeOperation(this) : pooled;
    }

    private MapOperation mapOperation() {
        MapOperation pooled = maps.poll();
        return pooled == null ? new MapOperation(this) : pooled;
    }

    private FlushOperation flushOperation() {
        FlushOperation pooled = flushes.poll();
        return pooled == null ? new FlushOperation(this) : pooled;
    }

    AllocatingWrite allocatingWrite() {
        AllocatingWrite pooled = allocatingWrites.poll();
        return pooled == null ? new AllocatingWrite(this) : pooled;
    }

    BackingRequest backingRequest() {
        BackingRequest pooled = backingRequests.poll();
        return pooled == null ? new BackingRequest(this) : pooled;
    }

    void recycle(ReadOperation operation) {
        reads.push(operation);
    }

    void recycle(ChangeOperation operation) {
        changes.push(operation);
    }

    void recycle(MapOperation operation) {
        maps.push(operation);
    }

    void recycle(FlushOperation operation) {
        flushes.push(operation);
    }

    void recycle(DirectRequest request) {
        request.next = directRequests;
        directRequests = request;
    }

    void recycle(AllocatingWrite write) {
        allocatingWrites.push(write);
    }

    void recycle(BackingRequest request) {
        backingRequests.push(request);
    }

    @Override
    public void close() {
        map.close();
        compressed.close();
        buffers.close();
        if (backing != null) {
            backing.close();
        }
    }
}
