package org.blktap.image;

import java.util.ArrayDeque;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.memory.Segments;

/**
 * Reads deflated clusters: inflates a few at a time, off the loop, and keeps the last ones, so that a sequential reader
 * inflates each once. Loop only.
 */
final class CompressedClusters implements AutoCloseable {
    /** Clusters inflated at a time: as many as helper threads are likely to serve. */
    private static final int PLACES = 4;

    private final IoLoop loop;
    private final NativeMemory memory;
    private final int clusterSize;
    private final Compression compression;
    private final InflatedCluster[] places = new InflatedCluster[PLACES];
    private final Pool<InflatedCluster.Reader> reads = new Pool<>(pool -> new InflatedCluster.Reader());
    private final ArrayDeque<InflatedCluster.Reader> waiting = new ArrayDeque<>();
    private final InflatedCluster.Owner inflated = this::inflated;
    private long clock;

    CompressedClusters(IoLoop loop, NativeMemory memory, int clusterSize, Compression compression) {
        this.compression = compression;
        this.loop = loop;
        this.memory = memory;
        this.clusterSize = clusterSize;
    }

    /** Reads the run of a look-up into the list at {@code at}. */
    void read(Place place, Segments into, long at, IoCallback done) {
        if (place.compressedLength() <= 0 || place.compressedLength() > compression.mostBytes()) {
            // never called back within this call
            loop.execute(() -> done.done(Errno.EIO));
            return;
        }
        InflatedCluster.Reader read = reads.take();
        read.file = place.file();
        read.fileOffset = place.fileOffset();
        read.stored = place.compressedLength();
        read.from = place.clusterOffset();
        read.length = Math.toIntExact(place.length());
        read.into = into;
        read.at = at;
        read.done = done;
        if (!place(read)) {
            waiting.add(read);
        }
    }

    /** Serves a read from a place that has its cluster, or starts one; false if all are busy with others. */
    private boolean place(InflatedCluster.Reader read) {
        InflatedCluster chosen = null;
        for (int i = 0; i < PLACES; i++) {
            InflatedCluster place = places[i];
            if (place == null) {
                place = places[i] = new InflatedCluster(loop, memory, clusterSize, compression, inflated);
            }
            if (place.holds(read.file, read.fileOffset, read.stored)) {
                chosen = place;
                break;
            }
            if (!place.busy() && (chosen == null || place.lastUse < chosen.lastUse)) {
                chosen = place;
            }
            if (place.lastUse == 0) {
                // unused, and so are all later ones: they need no memory yet
                break;
            }
        }
        if (chosen == null) {
            return false;
        }
        chosen.lastUse = ++clock;
        if (chosen.holds(read.file, read.fileOffset, read.stored) && !chosen.busy()) {
            end(read, chosen, 0);
        } else if (chosen.busy()) {
            chosen.readers.add(read);
        } else {
            chosen.readers.add(read);
            chosen.start(read.file, read.fileOffset, read.stored);
        }
        return true;
    }

    /** Called when a place has its cluster or has failed. */
    private void inflated(InflatedCluster place, int error) {
        for (InflatedCluster.Reader read = place.readers.poll(); read != null; read = place.readers.poll()) {
            end(read, place, error);
        }
        place.free();
        for (int n = waiting.size(); n > 0; n--) {
            InflatedCluster.Reader read = waiting.poll();
            if (!place(read)) {
                waiting.addFirst(read);
                return;
            }
        }
    }

    private void end(InflatedCluster.Reader read, InflatedCluster place, int error) {
        if (error == 0) {
            read.into.copyFrom(place.address() + read.from, read.at, read.length);
        }
        IoCallback done = read.done;
        read.done = null;
        read.into = null;
        read.file = null;
        reads.give(read);
        done.done(error);
    }

    @Override
    public void close() {
        for (InflatedCluster place : places) {
            if (place != null) {
                place.close();
            }
        }
    }
}
