package org.blktap.format.qcow;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.Holes;
import org.blktap.image.UsedRanges;

/** Reads all tables and finds entries that lead nowhere, clusters in use twice, and clusters in use by nobody. */
final class QcowCheck {
    private static final int MOST_PROBLEMS = 100;
    private static final int SECTOR = 512;

    private final QcowHeader header;
    private final IoFile file;
    private final L1Table l1;
    private final List<String> problems = new ArrayList<>();
    private final UsedRanges used = new UsedRanges(SECTOR);
    private final Holes holes;
    private long clusters;

    QcowCheck(QcowHeader header, IoFile file, L1Table l1, IoLoop loop) {
        holes = new Holes(file, loop);
        this.header = header;
        this.file = file;
        this.l1 = l1;
    }

    CheckReport run() throws DiskException {
        try {
            tables();
        } catch (UsedRanges.TooScattered e) {
            throw new DiskException(DiskException.Reason.UNSUPPORTED, file.path() + ": " + e.getMessage(), e);
        }
        return new CheckReport(clusters, leaked(), problems);
    }

    private void tables() throws DiskException {
        used.add(0, QcowHeader.BYTES);
        used.add(header.l1Offset(), header.metadataEnd() - header.l1Offset());
        ByteBuffer table = ByteBuffer.allocate(header.l2Bytes());
        for (int slot = 0; slot < l1.entries() && problems.size() < MOST_PROBLEMS; slot++) {
            long l2 = l1.get(slot);
            long at = header.l1Offset() + slot * 8L;
            if (l2 != 0 && claim("L1 entry " + slot, at, l2, header.l2Bytes())) {
                try {
                    if (holes.contains(l2, header.l2Bytes())) {
                        continue;
                    }
                    file.readFully(table.clear(), l2);
                } catch (IOException e) {
                    throw DiskException.io(file.path(), "read the L2 table at " + l2, e);
                }
                entries(table.flip(), slot, l2);
            }
        }
    }

    private void entries(ByteBuffer table, int slot, long tableOffset) {
        for (int i = 0; i < header.l2Entries() && problems.size() < MOST_PROBLEMS; i++) {
            long entry = table.getLong(i * 8);
            if (entry == 0) {
                continue;
            }
            clusters++;
            String structure = "L2 entry " + i + " of slot " + slot;
            long at = tableOffset + i * 8L;
            if (entry > 0) {
                claim(structure, at, entry, header.clusterSize());
                continue;
            }
            long stream = QcowMap.compressedOffset(entry, header.clusterBits());
            int length = QcowMap.compressedLength(entry, header.clusterBits());
            if (length == 0 || !header.mayHold(stream, length) || stream >= file.size()) {
                problem(structure, at, entry, "a deflated cluster inside the file");
            } else {
                // streams may share sectors
                used.add(stream, length);
            }
        }
    }

    /** Marks a table or cluster as used; false, with a problem noted, if it may not be there. */
    private boolean claim(String structure, long at, long offset, int length) {
        if (!header.mayHold(offset, length) || offset >= file.size() || offset % SECTOR != 0) {
            problem(structure, at, offset, "a multiple of 512 behind the tables and inside the file of " + file.size() + " bytes");
            return false;
        }
        if (used.overlaps(offset, length)) {
            problem(structure, at, offset, "an offset that nothing else uses");
            return false;
        }
        used.add(offset, length);
        return true;
    }

    private void problem(String structure, long at, long found, String expected) {
        problems.add(DiskException.corrupt(file.path(), structure, at, String.format("0x%x", found), expected).getMessage());
    }

    private long leaked() {
        return Math.max(0, file.size() - used.bytesBelow(file.size())) / header.clusterSize();
    }
}
