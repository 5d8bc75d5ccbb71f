package org.blktap.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.CompressedImage;
import org.blktap.api.engine.IoFile;

/**
 * A new image with two levels of tables that is written from beginning to end: clusters in the order in which they are
 * given, each L2 table after its clusters, and the L1 table last. One thread.
 */
public abstract class AppendedTables implements CompressedImage {
    /** Size of the pieces in which the file is written, whatever the cluster size. */
    private static final int PIECE = 1 << 20;

    private final IoFile file;
    private final int clusterSize;
    private final int entryBytes;
    private final int entries;
    private final ByteBuffer l2;
    private final ByteBuffer piece = ByteBuffer.allocateDirect(PIECE);
    private long pieceStart;
    private int slot = -1;

    /**
     * @param entryBytes of an L2 entry
     * @param entries of an L2 table
     * @param start offset in the file at which appending begins
     */
    protected AppendedTables(IoFile file, int clusterSize, int entryBytes, int entries, long start) {
        this.file = file;
        this.clusterSize = clusterSize;
        this.entryBytes = entryBytes;
        this.entries = entries;
        l2 = ByteBuffer.allocate(entryBytes * entries);
        pieceStart = start;
    }

    /** The L2 entry of a cluster that is not compressed. */
    protected abstract long plainEntry(long fileOffset);

    /** The second word of that entry, where entries have one. */
    protected long plainBits() {
        return 0;
    }

    /** The L2 entry of a cluster with a stream of {@code length} bytes. */
    protected abstract long compressedEntry(long fileOffset, int length);

    /** Sets the L1 entry of a slot. */
    protected abstract void enterTable(int ofSlot, long fileOffset);

    /** Called for each cluster placed, before it is used. */
    protected void placed(long fileOffset, int length) {
        // most formats need nothing here
    }

    /** Whether a stream may be put at an offset, after others in the same cluster. */
    protected boolean mayJoin(long fileOffset, int length) {
        return true;
    }

    /** Writes the format's remaining structures, after the tables. */
    protected abstract void finishTables() throws IOException;

    @Override
    public final int clusterSize() {
        return clusterSize;
    }

    @Override
    public final void append(long offset, ByteBuffer cluster, ByteBuffer compressed) throws IOException {
        long number = offset / clusterSize;
        int itsSlot = (int) (number / entries);
        if (itsSlot != slot) {
            writeTable();
            slot = itsSlot;
        }
        int at = (int) (number % entries) * entryBytes;
        if (compressed.hasRemaining()) {
            int length = compressed.remaining();
            if (!mayJoin(end(), length)) {
                align();
            }
            l2.putLong(at, compressedEntry(put(compressed), length));
        } else {
            align();
            l2.putLong(at, plainEntry(put(cluster.duplicate().clear())));
            if (entryBytes > Long.BYTES) {
                l2.putLong(at + Long.BYTES, plainBits());
            }
        }
    }

    private void writeTable() throws IOException {
        if (slot >= 0) {
            align();
            enterTable(slot, put(l2.duplicate().clear()));
            java.util.Arrays.fill(l2.array(), (byte) 0);
        }
    }

    /** Offset of the next byte. */
    protected final long end() {
        return pieceStart + piece.position();
    }

    /** Fills up the last cluster with zeros. */
    protected final void align() throws IOException {
        put(ByteBuffer.allocate((int) (-end() & clusterSize - 1)), false);
    }

    /** Appends bytes. Returns their offset. */
    protected final long put(ByteBuffer bytes) throws IOException {
        return put(bytes, true);
    }

    private long put(ByteBuffer bytes, boolean told) throws IOException {
        long at = end();
        if (told) {
            placed(at, bytes.remaining());
        }
        while (bytes.hasRemaining()) {
            int part = Math.min(bytes.remaining(), piece.remaining());
            piece.put(bytes.slice(bytes.position(), part));
            bytes.position(bytes.position() + part);
            if (!piece.hasRemaining()) {
                writePiece();
            }
        }
        return at;
    }

    private void writePiece() throws IOException {
        piece.flip();
        int length = piece.remaining();
        file.writeFully(piece, pieceStart);
        pieceStart += length;
        piece.clear();
    }

    @Override
    public final void finish() throws IOException {
        writeTable();
        align();
        finishTables();
        writePiece();
        file.flushNow();
    }

    @Override
    public void close() {
        file.close();
    }
}
