package org.blktap.format.qcow;

import static org.blktap.api.memory.Alignment.PAGE;
import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Holes;
import org.blktap.image.Interruption;
import org.blktap.image.UsedRanges;

/** Reads all tables and finds entries that lead nowhere, clusters in use twice, and clusters that nothing refers to. */
final class QcowCheck {
    private static final int MOST_PROBLEMS = 100;

    private final boolean repair;
    private final QcowHeader header;
    private final IoFile file;
    private final L1Table l1;
    private final List<String> problems = new ArrayList<>();
    private final UsedRanges used = UsedRanges.inPasses(SECTOR);
    private final Holes holes;
    private final OverwrittenTable overwritten;
    private boolean mended;
    private final Set<String> repairs = new TreeSet<>();
    private long clusters;
    /** Leaked bytes. */
    private long leaked;
    /** Freed bytes. */
    private long freed;

    QcowCheck(QcowHeader header, IoFile file, L1Table l1, IoLoop loop, boolean repair) {
        this.repair = repair;
        holes = new Holes(file, loop);
        overwritten = new OverwrittenTable(header);
        this.header = header;
        this.file = file;
        this.l1 = l1;
    }

    CheckReport run() throws DiskException {
        try {
            do {
                tables();
                padding();
                // any pass may find a cluster that is used twice
                used.gaps(file.size(), this::leaked);
            } while (problems.isEmpty() && used.next());
        } catch (UsedRanges.TooScattered e) {
            throw new DiskException(DiskException.Reason.UNSUPPORTED, file.path() + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "look for holes", e);
        }
        repair();
        return new CheckReport(clusters, leaked / header.clusterSize(), problems, List.copyOf(repairs));
    }

    private void repair() throws DiskException {
        if (repair && mended && problems.isEmpty()) {
            try {
                ByteBuffer table = ByteBuffer.allocate(header.l2Bytes());
                file.readFully(table, OverwrittenTable.OFFSET);
                overwritten.mend(OverwrittenTable.OFFSET, table);
                file.writeFully(table.clear(), OverwrittenTable.OFFSET);
                file.flushNow();
            } catch (IOException e) {
                throw DiskException.io(file.path(), "write the first L2 table anew", e);
            }
        }
        if (freed > 0) {
            repairs.add(freed / header.clusterSize() + " leaked clusters: holes now");
        }
    }

    /** Claims the gaps between header, L1 table and first cluster, which begin at pages. */
    private void padding() {
        used.add(0, PAGE);
        if (header.backingOffset() != 0) {
            // after the header, or after everything else
            long name = header.backingOffset() < header.l1Offset() ? 0 : header.backingOffset();
            used.add(name, Alignment.up(header.backingOffset() + header.backingLength(), PAGE) - name);
        }
        QcowHeader.XenExtension xen = header.xen();
        if (xen != null && header.backingOffset() == 0 && xen.minClusterAlloc() == header.l2Entries()) {
            // while the extension is used, the tables are not read
            for (int slot = 0; slot < l1.entries(); slot++) {
                long l2 = l1.get(slot);
                if (l2 > 0 && l2 < file.size()) {
                    used.add(l2, Math.max(header.l2Bytes(), header.clusterSize()) + header.slotBytes());
                }
            }
        }
        used.add(header.l1Offset(), Alignment.up(header.metadataEnd(), PAGE) - header.l1Offset());
    }

    /** A hole takes no space, and a gap between clusters may be shorter than one. */
    private void leaked(long offset, long length) throws IOException {
        long first = Alignment.up(offset, header.clusterSize());
        long end = Alignment.down(offset + length, header.clusterSize());
        long data = first < end ? Alignment.down(holes.dataBytes(first, end - first), header.clusterSize()) : 0;
        if (data > 0 && repair && problems.isEmpty()) {
            holes.punch(first, end - first);
            freed += data;
        } else {
            leaked += data;
        }
    }

    private void tables() throws DiskException {
        used.add(0, QcowHeader.BYTES);
        used.add(header.l1Offset(), header.metadataEnd() - header.l1Offset());
        ByteBuffer table = ByteBuffer.allocate(header.l2Bytes());
        for (int slot = 0; slot < l1.entries() && problems.size() < MOST_PROBLEMS; slot++) {
            Interruption.check(file.path());
            long l2 = l1.get(slot);
            long at = header.l1Offset() + slot * (long) QcowHeader.ENTRY_BYTES;
            if (l2 != 0 && claim("L1 entry " + slot, at, l2, header.l2Bytes())) {
                try {
                    if (holes.contains(l2, header.l2Bytes())) {
                        continue;
                    }
                    file.readFully(table.clear(), l2);
                    if (overwritten.mend(l2, table)) {
                        repairs.add("L2 table at " + l2 + ", whose beginning Xen 3.3 has overwritten: written anew");
                        mended = true;
                    }
                } catch (IOException e) {
                    throw DiskException.io(file.path(), "read the L2 table at " + l2, e);
                }
                entries(table.flip(), slot, l2);
            }
        }
    }

    private void entries(ByteBuffer table, int slot, long tableOffset) {
        for (int i = 0; i < header.l2Entries() && problems.size() < MOST_PROBLEMS; i++) {
            long entry = table.getLong(i * QcowHeader.ENTRY_BYTES);
            if (entry == 0) {
                continue;
            }
            clusters += used.isFirst() ? 1 : 0;
            String structure = "L2 entry " + i + " of slot " + slot;
            long at = tableOffset + i * (long) QcowHeader.ENTRY_BYTES;
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
        if (!header.mayHold(offset, length) || offset >= file.size() || !Alignment.isAligned(offset, SECTOR)) {
            problem(
                    structure,
                    at,
                    offset,
                    "a multiple of 512 after the tables and inside the file of " + file.size() + " bytes");
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
        problems.add(DiskException.corrupt(file.path(), structure, at, String.format("0x%x", found), expected)
                .getMessage());
    }
}
