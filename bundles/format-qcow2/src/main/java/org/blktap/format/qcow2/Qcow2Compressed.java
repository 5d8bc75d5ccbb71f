package org.blktap.format.qcow2;

import com.github.luben.zstd.ZstdCompressCtx;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.blktap.api.engine.IoFile;
import org.blktap.image.AppendedTables;
import org.blktap.image.Deflaters;

/**
 * Writes a compressed image: qcow2.txt, "Compressed Clusters Descriptor". Streams are packed byte by byte; the counts
 * of the clusters that they share are written last.
 */
final class Qcow2Compressed extends AppendedTables {
    private final Qcow2Header header;
    private final IoFile file;
    private final Refcounts counts;
    private final long start;
    private final ByteBuffer l1;
    private final Deflaters deflaters = new Deflaters(true, -1);
    /** References of each cluster of the file. */
    private int[] references = new int[1024];

    /** @param file has its header, the counts of these, and an empty L1 table */
    Qcow2Compressed(Qcow2Header header, IoFile file, Refcounts counts) {
        super(file, header.clusterSize(), header.l2EntryBytes(), header.l2Entries(), file.size());
        this.header = header;
        this.file = file;
        this.counts = counts;
        start = file.size();
        l1 = ByteBuffer.allocate(8 * header.l1Entries());
    }

    @Override
    public ByteBuffer compress(ByteBuffer cluster) {
        if (header.compressionType() == Qcow2Header.ZLIB) {
            return deflaters.deflate(cluster);
        }
        try (ZstdCompressCtx zstd = new ZstdCompressCtx()) {
            byte[] plain = new byte[cluster.remaining()];
            cluster.get(plain);
            ByteBuffer stream = ByteBuffer.wrap(zstd.compress(plain));
            return stream.remaining() < plain.length ? stream : ByteBuffer.allocate(0);
        }
    }

    @Override
    protected long plainEntry(long fileOffset) {
        return fileOffset | Qcow2Entry.COPIED;
    }

    @Override
    protected long plainBits() {
        return Qcow2Entry.subclusters(0, Qcow2Entry.SUBCLUSTERS);
    }

    @Override
    protected long compressedEntry(long fileOffset, int length) {
        return Qcow2Entry.compressed(fileOffset, length, header.clusterBits());
    }

    @Override
    protected void enterTable(int slot, long fileOffset) {
        l1.putLong(slot * Qcow2Entry.L1_BYTES, fileOffset | Qcow2Entry.COPIED);
    }

    @Override
    protected boolean mayJoin(long fileOffset, int length) {
        int cluster = (int) (fileOffset >> header.clusterBits());
        return cluster >= references.length
                || references[cluster] < counts.block().largest();
    }

    @Override
    protected void placed(long fileOffset, int length) {
        int first = (int) (fileOffset >> header.clusterBits());
        int last = (int) (fileOffset + length - 1 >> header.clusterBits());
        if (last >= references.length) {
            references = Arrays.copyOf(references, last + last / 2);
        }
        for (int i = first; i <= last; i++) {
            references[i]++;
        }
    }

    @Override
    protected void finishTables() throws IOException {
        counts.count(start, end(), references);
        file.writeFully(l1.duplicate().clear(), header.l1Offset());
    }

    @Override
    public void close() {
        deflaters.close();
        super.close();
    }
}
