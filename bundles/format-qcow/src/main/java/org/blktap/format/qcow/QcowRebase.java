package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeMemory;

/**
 * Gives an image another backing file, or none, by one write of the first sector. A name that does not fit there is
 * written to another place first, and made durable: after the header, where Xen's tools and this driver leave room up
 * to the first page, or else at the end of the file. Blocking, on a control thread.
 */
final class QcowRebase {
    private final IoFile file;
    private final QcowHeader header;

    QcowRebase(IoFile file) throws DiskException {
        this.file = file;
        header = QcowHeader.read(file);
    }

    /** @param name as the image gets it, or null for none */
    void run(byte[] name, NativeMemory memory) throws DiskException {
        boolean coarse = header.xen() != null && header.xen().minClusterAlloc() > 1;
        if (name != null && coarse && header.backingOffset() == 0) {
            try (L1Table l1 = new L1Table(header, file, memory)) {
                // by the rule of slots that are allocated as one, which ends here
                new OverwrittenTable(header).mend(file, l1, false);
            }
        }
        try {
            ByteBuffer sector = ByteBuffer.allocate(SECTOR);
            file.readFully(sector, 0);
            long at = 0;
            if (name != null && header.fieldsEnd() + name.length <= Math.min(SECTOR, header.l1Offset())) {
                at = header.fieldsEnd();
                sector.put((int) at, name);
            } else if (name != null) {
                at = elsewhere(name);
            }
            sector.putLong(QcowHeader.AT_BACKING_OFFSET, at)
                    .putInt(QcowHeader.AT_BACKING_SIZE, name == null ? 0 : name.length);
            if (name != null && coarse) {
                // slots are no longer allocated as one
                sector.putInt(QcowHeader.AT_XEN_MIN_CLUSTER_ALLOC, 1);
            }
            file.writeFully(sector.clear(), 0);
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "change the name of its backing file", e);
        }
    }

    /** Writes a name to a place that is not in use. Returns the place. */
    private long elsewhere(byte[] name) throws IOException {
        long at;
        if (header.xen() != null && header.l1Offset() >= PAGE && header.backingOffset() < PAGE) {
            // a name has 1023 bytes at most: there is room on one side of the old one
            long oldEnd = header.backingOffset() + header.backingLength();
            at = header.backingOffset() >= SECTOR + name.length ? SECTOR : Math.max(SECTOR, oldEnd);
            file.writeFully(ByteBuffer.wrap(name), at);
        } else {
            // after anything that may have been cut off at the end: a whole slot where Xen allocates one at a time
            long slot = header.xen() == null ? 0 : header.slotBytes();
            at = Alignment.up(file.size() + slot, Math.max(PAGE, header.clusterSize()));
            file.writeFully(ByteBuffer.wrap(name), at);
            file.truncateNow(at + PAGE);
        }
        file.flushNow();
        return at;
    }
}
