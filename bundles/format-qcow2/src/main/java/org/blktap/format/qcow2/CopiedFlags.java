package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.image.Interruption;

/**
 * Checks the flags of a count of one ({@link Qcow2Entry#COPIED}): in the active tables they must agree with the counts.
 * Blocking; ends when its thread is interrupted.
 */
final class CopiedFlags {
    private static final int PIECE = 64 << 10;

    private final Qcow2Header header;
    private final IoFile file;
    private final TableReader reader;
    private final boolean repair;
    private final References.Visitor findings;
    private long corrected;

    /** @param findings gets what is wrong, and says when it has enough */
    CopiedFlags(Qcow2Header header, IoFile file, TableReader reader, boolean repair, References.Visitor findings) {
        this.header = header;
        this.file = file;
        this.reader = reader;
        this.repair = repair;
        this.findings = findings;
    }

    /** Flags that have been corrected, or that the dirty mark of the image excuses. */
    long corrected() {
        return corrected;
    }

    /** Checks the entries that point at the clusters of one pass. */
    void check(References references, ClusterCounts counted) throws DiskException, IOException {
        ByteBuffer l1 = ByteBuffer.allocate(Math.min(header.l1Entries() * Qcow2Entry.L1_BYTES, PIECE));
        ByteBuffer l2 = ByteBuffer.allocate(header.clusterSize());
        int most = l1.capacity() / Qcow2Entry.L1_BYTES;
        for (int first = 0; first < header.l1Entries() && findings.goesOn(0); first += most) {
            Interruption.check(file.path());
            int count = Math.min(most, header.l1Entries() - first);
            long at = header.l1Offset() + first * (long) Qcow2Entry.L1_BYTES;
            file.readFully(l1.clear().limit(count * Qcow2Entry.L1_BYTES), at);
            boolean changed = false;
            for (int i = 0; i < count && findings.goesOn(0); i++) {
                long offset = Qcow2Entry.offset(l1.getLong(i * Qcow2Entry.L1_BYTES));
                if (offset != 0) {
                    changed |= check(l1, i * Qcow2Entry.L1_BYTES, "L1 entry", first + i, at, counted);
                    if (references.wants(references.l2Tables().find(offset))) {
                        Interruption.check(file.path());
                        if (reader.read(l2, offset)) {
                            check(l2, offset, counted);
                        }
                    }
                }
            }
            if (changed) {
                file.writeFully(l1.clear().limit(count * Qcow2Entry.L1_BYTES), at);
            }
        }
    }

    private void check(ByteBuffer l2, long tableOffset, ClusterCounts counted) throws IOException {
        boolean changed = false;
        for (int i = 0; i < header.l2Entries() && !header.has(Qcow2Header.EXTERNAL_DATA) && findings.goesOn(0); i++) {
            int at = i * header.l2EntryBytes();
            long entry = l2.getLong(at);
            if (!Qcow2Entry.compressed(entry) && Qcow2Entry.offset(entry) != 0) {
                changed |= check(l2, at, "L2 entry", i, tableOffset, counted);
            }
        }
        if (changed) {
            file.writeFully(l2.clear(), tableOffset);
        }
    }

    /** Checks the flag of an entry. Returns whether the entry has been changed. */
    private boolean check(
            ByteBuffer table, int at, String structure, int index, long tableOffset, ClusterCounts counted) {
        long entry = table.getLong(at);
        long cluster = Qcow2Entry.offset(entry) >> header.clusterBits();
        if (cluster < counted.from()
                || cluster >= counted.limit()
                || Qcow2Entry.copied(entry) == (counted.get(cluster) == 1)) {
            return false;
        }
        if (repair || header.has(Qcow2Header.DIRTY)) {
            table.putLong(at, entry ^ Qcow2Entry.COPIED);
            corrected++;
            return repair;
        }
        findings.problem(
                structure + " " + index,
                tableOffset + at,
                String.format("0x%x", entry),
                "bit 63 " + (counted.get(cluster) == 1 ? "set" : "clear") + ", as its reference count is "
                        + counted.get(cluster));
        return false;
    }
}
