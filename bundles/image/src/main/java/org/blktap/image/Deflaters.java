package org.blktap.image;

import java.nio.ByteBuffer;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.zip.Deflater;

/** Compresses clusters by deflate, on any number of threads at once. */
public final class Deflaters implements AutoCloseable {
    private final ConcurrentLinkedQueue<Deflater> idle = new ConcurrentLinkedQueue<>();
    private final boolean bare;
    private final int level;

    /**
     * @param bare whether the frame of zlib is left out (RFC 1951, not 1950)
     * @param level 1 to 9, or -1 for the default
     */
    public Deflaters(boolean bare, int level) {
        this.bare = bare;
        this.level = level;
    }

    /** @return the stream; empty if it would not be shorter than the cluster */
    public ByteBuffer deflate(ByteBuffer cluster) {
        Deflater deflater = idle.poll();
        if (deflater == null) {
            deflater = new Deflater(level, bare);
        }
        ByteBuffer stream = ByteBuffer.allocate(cluster.remaining() - 1);
        deflater.setInput(cluster);
        deflater.finish();
        while (stream.hasRemaining() && !deflater.finished()) {
            deflater.deflate(stream);
        }
        boolean fits = deflater.finished();
        deflater.reset();
        idle.add(deflater);
        return fits ? stream.flip() : ByteBuffer.allocate(0);
    }

    @Override
    public void close() {
        idle.forEach(Deflater::end);
        idle.clear();
    }
}
