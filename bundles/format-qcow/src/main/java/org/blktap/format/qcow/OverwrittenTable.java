package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Table;

/**
 * Restores the first L2 table of an image of Xen's tools, at offset 8192. Xen 3.3 wrote its header over the first 512
 * bytes of the table when it opened an image again. The lost entries can be computed if the extension announces that
 * slots are allocated as one, and the rest of the table agrees.
 */
final class OverwrittenTable {
    /** Offset of the table in the file. */
    static final long OFFSET = 8192;

    private static final int OVERWRITTEN_ENTRIES = SECTOR / QcowHeader.ENTRY_BYTES;

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
                && Alignment.isAligned(header.l2Bytes(), header.clusterSize());
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

    /** Restores an overwritten table in the cache; false if its entries are not known. Loop only. */
    boolean mend(Table table) {
        ByteBuffer bytes = ByteBuffer.allocate(header.l2Bytes());
        for (int i = 0; i < header.l2Entries(); i++) {
            bytes.putLong(i * QcowHeader.ENTRY_BYTES, table.getLongBig(i * QcowHeader.ENTRY_BYTES));
        }
        if (!mend(table.fileOffset(), bytes)) {
            return false;
        }
        for (int i = 0; i < header.l2Entries(); i++) {
            table.putLongBig(i * QcowHeader.ENTRY_BYTES, bytes.getLong(i * QcowHeader.ENTRY_BYTES));
        }
        return true;
    }

    /**
     * Restores the table in the file, if it is overwritten. Blocking.
     *
     * @param coarseSlots whether the extension announces all entries, so that look-ups do not read the table. After a
     *     crash the extension is not used, so the table must be right before anything is written. Where the checksum
     *     does not vouch for the extension, the table is repaired from its remaining entries
     */
    void mend(IoFile file, L1Table l1, boolean coarseSlots) throws DiskException {
        ByteBuffer table = ByteBuffer.allocate(header.l2Bytes());
        try {
            // a hostile L1 table may point there millions of times: once is enough
            if (!isUsed(l1)) {
                return;
            }
            file.readFully(table, OFFSET);
            boolean changed;
            if (coarseSlots) {
                ByteBuffer right = ByteBuffer.allocate(header.l2Bytes());
                for (int i = 0; i < header.l2Entries(); i++) {
                    right.putLong(entry(i));
                }
                changed = !table.flip().equals(right.flip());
                table = right;
            } else {
                changed = mend(OFFSET, table);
            }
            if (changed) {
                file.writeFully(table.clear(), OFFSET);
                file.flushNow();
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "put the first L2 table right", e);
        }
    }

    private boolean isUsed(L1Table l1) {
        for (int slot = 0; slot < l1.entries(); slot++) {
            if (l1.get(slot) == OFFSET) {
                return header.mayHold(OFFSET, header.l2Bytes());
            }
        }
        return false;
    }

    private long entry(int i) {
        return OFFSET + toClusters + (long) i * header.clusterSize();
    }
}
