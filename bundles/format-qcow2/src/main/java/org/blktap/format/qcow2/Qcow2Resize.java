package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Makes a disk larger, in two steps, each one write of the header: a longer L1 table in new, counted clusters; then,
 * when the new part holds zeros, the size is changed.
 */
final class Qcow2Resize {
    private Qcow2Resize() {}

    /** Refuses a size that the disk cannot get. */
    static void check(Qcow2Header header, IoFile file, long size) throws DiskException {
        long slotBytes = 1L << header.slotBits();
        long entries = Alignment.units(size, slotBytes);
        if (size < header.size()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    file.path() + ": " + Options.sizeText(size) + " is smaller than the present "
                            + Options.sizeText(header.size()) + "; a qcow2 disk does not become smaller");
        }
        if (entries > Qcow2Header.MAX_L1_ENTRIES) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    file.path() + ": size " + Options.sizeText(size) + ": expected at most "
                            + Options.sizeText(Qcow2Header.MAX_L1_ENTRIES * slotBytes));
        }
        if (header.version() == 2 && header.snapshots() > 0) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": an image of version 2 with snapshots keeps its size:"
                            + " its snapshots do not record theirs");
        }
    }

    /**
     * Makes sure that the L1 table has entries for a size that has been checked.
     *
     * @param data the external data file, or null
     */
    static void lengthenL1(Qcow2Header header, IoFile file, IoFile data, long size) throws DiskException {
        long entries = Alignment.units(size, 1L << header.slotBits());
        try {
            if (data != null && data.size() < size) {
                data.truncateNow(size);
                data.flushNow();
            }
            Refcounts counts = new Refcounts(header, file);
            ByteBuffer fields = ByteBuffer.allocate(Qcow2Header.AT_REFCOUNT_TABLE - Qcow2Header.AT_SIZE);
            file.readFully(fields, Qcow2Header.AT_SIZE);
            long oldBytes = clusters(header, header.l1Entries() * (long) Qcow2Entry.L1_BYTES);
            if (entries > header.l1Entries()) {
                ByteBuffer l1 = ByteBuffer.allocate((int) clusters(header, entries * Qcow2Entry.L1_BYTES));
                file.readFully(l1.limit(header.l1Entries() * Qcow2Entry.L1_BYTES), header.l1Offset());
                long at = counts.extend(clusters(header, file.size()), l1.capacity());
                file.writeFully(l1.clear(), at);
                file.flushNow();
                fields.putInt(Qcow2Header.AT_L1_SIZE - Qcow2Header.AT_SIZE, (int) entries);
                fields.putLong(Qcow2Header.AT_L1_OFFSET - Qcow2Header.AT_SIZE, at);
                file.writeFully(fields.clear(), Qcow2Header.AT_SIZE);
                file.flushNow();
                counts.add(header.l1Offset(), header.l1Offset() + oldBytes, -1);
                file.flushNow();
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "resize", e);
        }
    }

    /** Makes the new size valid, as the last step. */
    static void setSize(IoFile file, long size) throws DiskException {
        try {
            file.writeFully(ByteBuffer.allocate(8).putLong(size).flip(), Qcow2Header.AT_SIZE);
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "resize", e);
        }
    }

    /** Bytes, rounded up to clusters. */
    private static long clusters(Qcow2Header header, long bytes) {
        return Alignment.up(bytes, header.clusterSize());
    }
}
