package org.blktap.image;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.memory.Segments;

/** One deflated cluster with room for its plain bytes. Inflating runs off the loop, everything else on it. */
final class InflatedCluster implements AutoCloseable {
    private final Owner owner;
    private final IoLoop loop;
    private final NativeBuffer stored;
    private final NativeBuffer plain;
    private final ByteBuffer storedBytes;
    private final ByteBuffer plainBytes;
    private final Segments storedList = new Segments(1);
    private final Decompressor decompressor;
    private final IoLoop.BlockingCall inflate = this::inflate;
    private final IoCallback inflated = this::inflated;
    private final IoCallback readDone = this::readDone;
    private IoFile file;
    private long fileOffset = -1;
    private int storedLength;
    private boolean busy;

    final ArrayDeque<Reader> readers = new ArrayDeque<>();
    long lastUse;

    /** Called when a cluster has been inflated, or reading it has failed. */
    interface Owner {
        void inflated(InflatedCluster cluster, int error);
    }

    /** One run of one cluster that an operation waits for. Pooled. */
    static final class Reader {
        IoFile file;
        long fileOffset;
        int stored;
        int from;
        int length;
        Segments into;
        long at;
        IoCallback done;
    }

    InflatedCluster(IoLoop loop, NativeMemory memory, int clusterSize, Compression compression, Owner owner) {
        int mostCompressed = compression.mostBytes();
        this.owner = owner;
        this.decompressor = compression.decompressors().get();
        this.loop = loop;
        stored = memory.allocate(mostCompressed);
        plain = memory.allocate(clusterSize);
        storedBytes = stored.bytes();
        plainBytes = plain.bytes(0, clusterSize);
        storedList.add(stored.address(), mostCompressed);
    }

    boolean holds(IoFile inFile, long offset, int length) {
        return fileOffset == offset && storedLength == length && file == inFile;
    }

    boolean busy() {
        return busy;
    }

    /** The first plain byte. */
    long address() {
        return plain.address();
    }

    /** Reads and inflates a cluster. */
    void start(IoFile from, long offset, int length) {
        busy = true;
        file = from;
        fileOffset = offset;
        storedLength = length;
        from.read(offset, storedList, 0, length, readDone);
    }

    private void readDone(int error) {
        if (error != 0) {
            inflated(error);
        } else {
            loop.offload(inflate, inflated);
        }
    }

    private int inflate() {
        return decompressor.decompress(storedBytes.clear().limit(storedLength), plainBytes.clear()) ? 0 : Errno.EIO;
    }

    /** Calls all readers; the cluster stays busy until they have been called. */
    private void inflated(int error) {
        if (error != 0) {
            fileOffset = -1;
        }
        owner.inflated(this, error);
    }

    void free() {
        busy = false;
    }

    @Override
    public void close() {
        decompressor.close();
        stored.close();
        plain.close();
    }
}
