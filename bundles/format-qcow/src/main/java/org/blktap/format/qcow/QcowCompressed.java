package org.blktap.format.qcow;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.AppendedTables;
import org.blktap.image.Deflaters;

/**
 * Writes a compressed image; streams are packed byte by byte. Entries: QEMU block/qcow.c,
 * {@code qcow_co_pwritev_compressed}.
 */
final class QcowCompressed extends AppendedTables {
    private final QcowHeader header;
    private final IoFile file;
    private final ByteBuffer l1;
    private final Deflaters deflaters = new Deflaters(true, -1);

    /** @param file with its header and an empty L1 table */
    QcowCompressed(QcowHeader header, IoFile file) {
        super(
                file,
                header.clusterSize(),
                8,
                header.l2Entries(),
                Alignment.up(header.metadataEnd(), header.clusterSize()));
        this.header = header;
        this.file = file;
        l1 = ByteBuffer.allocate(8 * header.l1Entries());
    }

    @Override
    public ByteBuffer compress(ByteBuffer cluster) {
        return deflaters.deflate(cluster);
    }

    @Override
    protected long plainEntry(long fileOffset) {
        return fileOffset;
    }

    @Override
    protected long compressedEntry(long fileOffset, int length) {
        return 1L << 63 | (long) length << 63 - header.clusterBits() | fileOffset;
    }

    @Override
    protected void enterTable(int slot, long fileOffset) {
        l1.putLong(slot * QcowHeader.ENTRY_BYTES, fileOffset);
    }

    @Override
    protected void finishTables() throws IOException {
        file.writeFully(l1.duplicate().clear(), header.l1Offset());
        file.writeFully(
                ByteBuffer.allocate(4).putInt(checksum(l1.duplicate().clear())).flip(), QcowHeader.AT_XEN_CHECKSUM);
    }

    /**
     * Xen's checksum of an L1 table: the first four bytes of its MD5 as it is in the file, as a little-endian number.
     */
    static int checksum(ByteBuffer table) {
        try {
            MessageDigest md5 = MessageDigest.getInstance("MD5");
            md5.update(table);
            return ByteBuffer.wrap(md5.digest()).order(ByteOrder.LITTLE_ENDIAN).getInt();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has MD5", e);
        }
    }

    @Override
    public void close() {
        deflaters.close();
        super.close();
    }
}
