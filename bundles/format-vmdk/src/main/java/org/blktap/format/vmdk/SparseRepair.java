package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/** Finds and repairs what a crash leaves in an extent without errors. Blocking, on a control thread. */
final class SparseRepair {
    private final GrainLayout layout;
    private final IoFile file;
    private final SparseCheck check;

    /** @param check that has been run and has found no error */
    SparseRepair(GrainLayout layout, IoFile file, SparseCheck check) {
        this.layout = layout;
        this.file = file;
        this.check = check;
    }

    /** Lists the leftovers, one line each. */
    List<String> list() {
        List<String> lines = new ArrayList<>();
        if (check.behind() > 0) {
            lines.add(file.path() + ": redundant grain tables that differ from the primary ones, " + check.behind()
                    + ": made equal to these");
        }
        if (isUnclean()) {
            lines.add(file.path() + ": flag of an unclean shutdown: cleared");
        }
        return lines;
    }

    private boolean isUnclean() {
        return layout.unclean() && layout.onlyRead() == null;
    }

    /**
     * Repairs the extent and cuts off unused space at the end of the file. Returns how many leaked grains that freed.
     */
    long run() throws DiskException {
        try {
            if (check.behind() > 0) {
                equalTables();
                file.flushNow();
            }
            if (isUnclean()) {
                // a byte in hosted extents, four in COWD ones
                file.writeFully(
                        ByteBuffer.allocate(layout.isCowd() ? Integer.BYTES : Byte.BYTES),
                        layout.isCowd() ? CowdHeader.AT_UNCLEAN : SparseHeader.AT_UNCLEAN);
                file.flushNow();
            }
            return check.leaked() > 0 ? trim() : 0;
        } catch (IOException e) {
            throw DiskException.io(file.path(), "repair", e);
        }
    }

    private void equalTables() throws IOException {
        ByteBuffer table = ByteBuffer.allocate(layout.tableBytes());
        ByteBuffer twin = ByteBuffer.allocate(layout.tableBytes());
        for (int slot = 0; slot < layout.directoryEntries(); slot++) {
            long at = check.gd().get(slot);
            long other = check.rgd().get(slot);
            if (at != 0 && other != 0) {
                file.readFully(table.clear(), at);
                file.readFully(twin.clear(), other);
                if (!table.flip().equals(twin.flip())) {
                    file.writeFully(table, other);
                }
            }
        }
    }

    private long trim() throws IOException {
        long end = Alignment.up(check.usedEnd(), SECTOR);
        long before = file.size();
        if (end >= before) {
            return 0;
        }
        file.truncateNow(end);
        if (layout.isCowd()) {
            file.writeFully(
                    ByteBuffer.allocate(Integer.BYTES)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putInt((int) (end / SECTOR))
                            .flip(),
                    layout.freeSector());
        }
        file.flushNow();
        return Math.min(check.leaked(), (before - end) / layout.grainBytes());
    }
}
