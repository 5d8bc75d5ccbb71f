package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.ByteBuffer;

/**
 * Restores the first L2 table of an image of Xen's tools, at offset 8192. Xen 3.3 wrote its header over the first 512
 * bytes of the table when it opened an image again. The lost entries can be computed if the extension announces that
 * slots are allocated as one, and the rest of the table agrees.
 */
final class OverwrittenTable {
    /** Offset of the table in the file. */
    static final long OFFSET = 8192;

    private static final int OVERWRITTEN_ENTRIES = SECTOR / 8;

    private final QcowHeader header;
    private final int toClusters;

    OverwrittenTable(QcowHeader header) {
        this.header = header;
        toClusters = Math.max(header.l2Bytes(), header.clusterSize());
    }

    /** Whether a table begins with a header. */
    static boolean is(long offset, long firstEntry) {
        return offset == OFFSET && (int) (firstEntry >>> 32) == QcowHeader.MAGIC && (int) firstEntry == 1;
    }

    /**
     * Whether the lost entries can be computed: all entries that were not overwritten are as the extension announces.
     */
    boolean canMend(ByteBuffer table) {
        QcowHeader.XenExtension xen = header.xen();
        boolean coarse = xen != null
                && header.backingOffset() == 0
                && xen.minClusterAlloc() == header.l2Entries()
                && header.l2Entries() > OVERWRITTEN_ENTRIES
                && header.l2Bytes() % header.clusterSize() == 0;
        for (int i = OVERWRITTEN_ENTRIES; coarse && i < header.l2Entries(); i++) {
            coarse = table.getLong(i * QcowHeader.ENTRY_BYTES) == entry(i);
        }
        return coarse;
    }

    /**
     * Restores the entries of an overwritten table in memory. Returns false if the table is intact or the entries are
     * not known.
     */
    boolean mend(long offset, ByteBuffer table) {
        if (!is(offset, table.getLong(0)) || !canMend(table)) {
            return false;
        }
        for (int i = 0; i < OVERWRITTEN_ENTRIES; i++) {
            table.putLong(i * QcowHeader.ENTRY_BYTES, entry(i));
        }
        return true;
    }

    private long entry(int i) {
        return OFFSET + toClusters + (long) i * header.clusterSize();
    }
}
