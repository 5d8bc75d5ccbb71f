package org.blktap.format.qcow;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;

/** Makes a disk larger: a longer L1 table goes to the end of the file, then one write of the header makes it and the size count. */
final class QcowResize {
    private static final int ALIGNMENT = 4096;

    private QcowResize() {
    }

    static void grow(QcowHeader header, IoFile file, long size) throws DiskException {
        QcowHeader larger = new QcowHeader(header.backingOffset(), header.backingLength(), size, header.clusterBits(), header.l2Bits(),
                header.l1Offset(), header.xen());
        long largest = QcowHeader.MAX_L1_BYTES / 8 << header.clusterBits() + header.l2Bits();
        if (size < header.size() || size > largest) {
            throw new DiskException(Reason.BAD_OPTION, file.path() + ": size " + size + ": expected " + header.size()
                    + ", the present one, to " + largest + "; a qcow disk does not become smaller");
        }
        try {
            ByteBuffer old = ByteBuffer.allocate(8 * header.l1Entries());
            file.readFully(old, header.l1Offset());
            ByteBuffer l1 = ByteBuffer.allocate(8 * larger.l1Entries()).put(old.flip()).clear();
            long l1Offset = header.l1Offset();
            if (larger.l1Entries() > header.l1Entries()) {
                // behind whatever may have been cut off at the end: a whole slot where Xen allocates one at a time
                long unit = Math.max(ALIGNMENT, Math.max(header.l2Bytes(), header.clusterSize()));
                l1Offset = file.size() + (header.xen() == null ? 0 : header.slotBytes()) + 2 * unit - 1 & -unit;
                file.writeFully(l1.duplicate(), l1Offset);
                file.truncateNow(l1Offset + l1.capacity() + ALIGNMENT - 1 & -ALIGNMENT);
                file.flushNow();
            }
            ByteBuffer changed = ByteBuffer.allocate(QcowHeader.XEN_OFFSET + QcowHeader.XEN_BYTES);
            file.readFully(changed, 0);
            boolean checked = header.xen() != null && header.xen().checksum() == QcowCompressed.checksum(old.clear());
            changed.putLong(QcowHeader.AT_SIZE, size).putLong(QcowHeader.AT_L1_OFFSET, l1Offset);
            if (checked) {
                changed.putInt(QcowHeader.XEN_CHECKSUM_OFFSET, QcowCompressed.checksum(l1));
            }
            file.writeFully(changed.clear(), 0);
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "resize", e);
        }
    }
}
