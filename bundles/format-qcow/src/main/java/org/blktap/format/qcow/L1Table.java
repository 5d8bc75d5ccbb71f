package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.DirtyTables;
import org.blktap.image.Table;
import org.blktap.image.TableMemory;

/**
 * The L1 table in memory: for each slot of the disk the offset of its L2 table, 0 for none. Files of Xen 3.0 to 3.2
 * have it in little-endian order, which no field of the file states reliably: the byte order is taken to be the one in
 * which the entries can be offsets, and is kept. Loop only after opening.
 */
final class L1Table implements AutoCloseable {
    private static final int ENTRY_BYTES = QcowHeader.ENTRY_BYTES;

    private final NativeBuffer memory;
    private final ByteBuffer bytes;
    private final Table table;
    private final int skip;
    private final int entries;
    private final boolean littleEndian;
    private boolean changed;

    /** Reads the table. Entries past the end of the file are zeros. */
    L1Table(QcowHeader header, IoFile file, NativeMemory nativeMemory) throws DiskException {
        if (header.l1Offset() >= file.size()) {
            throw DiskException.corrupt(
                    file.path(),
                    "header field l1_table_offset",
                    QcowHeader.AT_L1_OFFSET,
                    header.l1Offset(),
                    "an offset inside the file of " + file.size() + " bytes");
        }
        entries = header.l1Entries();
        // whole sectors, so that they can be written as they are
        long begin = Alignment.down(header.l1Offset(), SECTOR);
        skip = (int) (header.l1Offset() - begin);
        int size = Alignment.up(skip + entries * ENTRY_BYTES, SECTOR);
        // the rest of the last sector is read and written back unchanged: a data cluster may begin there
        memory = TableMemory.read(nativeMemory, file, begin, size, "L1 table");
        bytes = memory.bytes(skip, entries * ENTRY_BYTES);
        table = new Table(memory.address(), size, file, begin);
        littleEndian = !plausible(header, file.size(), ByteOrder.BIG_ENDIAN)
                && plausible(header, file.size(), ByteOrder.LITTLE_ENDIAN);
    }

    private boolean plausible(QcowHeader header, long fileSize, ByteOrder order) {
        ByteBuffer view = bytes.duplicate().order(order);
        for (int i = 0; i < entries; i++) {
            long entry = view.getLong(i * ENTRY_BYTES);
            if (entry != 0
                    && (!Alignment.isAligned(entry, SECTOR)
                            || !header.mayHold(entry, header.l2Bytes())
                            || entry >= fileSize)) {
                return false;
            }
        }
        return true;
    }

    int entries() {
        return entries;
    }

    boolean littleEndian() {
        return littleEndian;
    }

    boolean changed() {
        return changed;
    }

    /** Bytes from the beginning of the file, or 0; not checked. */
    long get(int slot) {
        long big = table.getLongBig(skip + slot * ENTRY_BYTES);
        return littleEndian ? Long.reverseBytes(big) : big;
    }

    void set(int slot, long l2Offset, DirtyTables dirty) {
        changed = true;
        table.putLongBig(skip + slot * ENTRY_BYTES, littleEndian ? Long.reverseBytes(l2Offset) : l2Offset);
        dirty.mark(table, skip + slot * ENTRY_BYTES, ENTRY_BYTES);
    }

    /** Xen's checksum: the first four bytes of the MD5 of the table as it is in the file, as a little-endian number. */
    int checksum() {
        return QcowCompressed.checksum(bytes.duplicate().clear());
    }

    @Override
    public void close() {
        memory.close();
    }
}
