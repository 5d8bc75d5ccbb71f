package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.PAGE;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Holes;

/**
 * Makes a disk larger, in two steps, each one write of the header: a longer L1 table goes to the end of the file; then,
 * when the new part holds zeros, the size is changed.
 */
final class QcowResize {
    private final QcowHeader header;
    private final long size;
    /** Whether Xen's checksum matches, and so must be updated. */
    private final boolean checked;

    QcowResize(QcowHeader header, IoFile file, long size) throws DiskException {
        this.header = header;
        this.size = size;
        long largest = QcowHeader.MAX_L1_ENTRIES << header.clusterBits() + header.l2Bits();
        if (size < header.size()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    file.path() + ": " + Options.sizeText(size) + " is smaller than the present "
                            + Options.sizeText(header.size()) + "; a qcow disk does not become smaller");
        }
        if (size > largest) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    file.path() + ": size " + Options.sizeText(size) + ": expected at most "
                            + Options.sizeText(largest));
        }
        try {
            checked = header.xen() != null
                    && header.xen().checksum()
                            == QcowCompressed.checksum(l1(file, header.l1Offset(), header.l1Entries())
                                    .flip());
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the L1 table", e);
        }
    }

    /** Bytes of the disk as it is until {@link #setSize}. */
    long before() {
        return header.size();
    }

    private static ByteBuffer l1(IoFile file, long offset, int entries) throws IOException {
        ByteBuffer l1 = ByteBuffer.allocate(8 * entries);
        file.readFully(l1, offset);
        return l1;
    }

    /** Makes sure that the L1 table has entries for the new size, at least in the file. */
    void lengthenL1(IoFile file) throws DiskException {
        int entries = header.with(header.l1Offset(), size).l1Entries();
        if (entries == header.l1Entries()) {
            return;
        }
        try {
            ByteBuffer l1 = ByteBuffer.allocate(8 * entries)
                    .put(l1(file, header.l1Offset(), header.l1Entries()).flip())
                    .clear();
            // after anything that may have been cut off at the end: a whole slot where Xen allocates one at a time
            long unit = Math.max(PAGE, Math.max(header.l2Bytes(), header.clusterSize()));
            long at = Alignment.up(file.size() + (header.xen() == null ? 0 : header.slotBytes()) + unit, unit);
            file.writeFully(l1, at);
            file.truncateNow(Alignment.up(at + l1.capacity(), PAGE));
            file.flushNow();
            ByteBuffer changed = start(file);
            file.writeFully(changed.putLong(QcowHeader.AT_L1_OFFSET, at), 0);
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "resize", e);
        }
    }

    /** Makes the new size valid, as the last step. */
    void setSize(IoFile file) throws DiskException {
        try {
            ByteBuffer changed = start(file).putLong(QcowHeader.AT_SIZE, size);
            if (checked) {
                int entries = header.with(header.l1Offset(), size).l1Entries();
                changed.putInt(
                        QcowHeader.AT_XEN_CHECKSUM,
                        QcowCompressed.checksum(l1(file, changed.getLong(QcowHeader.AT_L1_OFFSET), entries)
                                .flip()));
            }
            file.writeFully(changed, 0);
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "resize", e);
        }
    }

    /** Frees the space of the old L1 table, if another is in use now. */
    void freeOldL1(IoFile file, IoLoop loop) throws DiskException {
        try {
            if (start(file).getLong(QcowHeader.AT_L1_OFFSET) != header.l1Offset()) {
                // Xen's tools and this driver put nothing into the rest of its last page; others may
                boolean pages = header.xen() != null && Alignment.isAligned(header.l1Offset(), PAGE);
                long end = pages ? Alignment.up(header.metadataEnd(), PAGE) : header.metadataEnd();
                new Holes(file, loop).punch(header.l1Offset(), end - header.l1Offset());
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "give the old L1 table's space back", e);
        }
    }

    /** The header with Xen's extension, to be changed and written as one. */
    private static ByteBuffer start(IoFile file) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(QcowHeader.XEN_OFFSET + QcowHeader.XEN_BYTES);
        file.readFully(bytes, 0);
        return bytes.clear();
    }
}
