package org.blktap.image;

import java.util.ArrayDeque;
import java.util.function.Supplier;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.memory.Segments;

/**
 * Reads deflated clusters: a few are inflated at a time, off the loop; the last ones stay, so that a sequential reader
 * inflates each once. Loop only.
 */
final class CompressedClusters implements AutoCloseable {
    /** Clusters inflated at a time: as many as helper threads are likely to serve. */
    private static final int PLACES = 4;

    private final IoLoop loop;
    private final NativeMemory memory;
    private final int clusterSize;
    private final int mostCompressed;
    private final Supplier<Decompressor> decompressors;
    private final InflatedCluster[] places = new InflatedCluster[PLACES];
    private final ArrayDeque<Read> pool = new ArrayDeque<>();
    private final ArrayDeque<Read> waiting = new ArrayDeque<>();
    private long clock;

    /** One run of one cluster that an operation waits for. */
    static final class Read {
        private IoFile file;
        private long fileOffset;
        private int stored;
        private int from;
        private int length;
        private Segments into;
        private long at;
        private IoCallback done;
    }

    /** @param mostCompressed bytes of a deflated cluster at most; what claims more is refused */
    CompressedClusters(IoLoop loop, NativeMemory memory, int clusterSize, int mostCompressed,
            Supplier<Decompressor> decompressors) {
        this.decompressors = decompressors;
        this.loop = loop;
        this.memory = memory;
        this.clusterSize = clusterSize;
        this.mostCompressed = mostCompressed;
    }

    /** Puts the run that a look-up has answered into the list at {@code at}. */
    void read(Mapping mapping, Segments into, long at, IoCallback done) {
        if (mapping.compressedLength() <= 0 || mapping.compressedLength() > mostCompressed) {
            // never from within the call
            loop.execute(() -> done.done(Errno.EIO));
            return;
        }
        Read read = pool.isEmpty() ? new Read() : pool.poll();
        read.file = mapping.file();
        read.fileOffset = mapping.fileOffset();
        read.stored = mapping.compressedLength();
        read.from = mapping.clusterOffset();
        read.length = Math.toIntExact(mapping.length());
        read.into = into;
        read.at = at;
        read.done = done;
        if (!place(read)) {
            waiting.add(read);
        }
    }

    /** Serves a read from a place that has its cluster, or starts one; false if all are busy with others. */
    private boolean place(Read read) {
        InflatedCluster chosen = null;
        for (int i = 0; i < PLACES; i++) {
            InflatedCluster place = places[i];
            if (place == null) {
                place = places[i] = new InflatedCluster(this, loop, memory, clusterSize, mostCompressed,
                        decompressors.get());
            }
            if (place.holds(read.file, read.fileOffset, read.stored)) {
                chosen = place;
                break;
            }
            if (!place.busy() && (chosen == null || place.lastUse < chosen.lastUse)) {
                chosen = place;
            }
            if (place.lastUse == 0) {
                // never used: the later ones are not either, and need no memory yet
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

    /** A place has its cluster, or has failed. */
    void inflated(InflatedCluster place, int error) {
        for (Read read = place.readers.poll(); read != null; read = place.readers.poll()) {
            end(read, place, error);
        }
        place.free();
        for (int n = waiting.size(); n > 0; n--) {
            Read read = waiting.poll();
            if (!place(read)) {
                waiting.addFirst(read);
                return;
            }
        }
    }

    private void end(Read read, InflatedCluster place, int error) {
        if (error == 0) {
            read.into.copyFrom(place.address() + read.from, read.at, read.length);
        }
        IoCallback done = read.done;
        read.done = null;
        read.into = null;
        read.file = null;
        pool.push(read);
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
