package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;

/**
 * Counts all references itself and compares: a count that is too low is a problem, one that is too high a leak. With repair,
 * counts become what they should be, and the marks of a count of one in the tables with them. Blocking, on a control thread.
 */
final class Qcow2Check implements References.Visitor {
    private static final int MOST_PROBLEMS = 100;
    private static final int CHUNK_BITS = 12;
    private static final int CHUNK = 1 << CHUNK_BITS;
    private static final int MOST_NEW_BLOCKS = 4096;
    /** 16 KiB each. */
    private static final int MOST_CHUNKS = 16_384;

    private final Qcow2Header header;
    private final IoFile file;
    private final boolean repair;
    private final int clusterSize;
    private final Map<Long, int[]> counted = new HashMap<>();
    private final List<String> problems = new ArrayList<>();
    private Refcounts counts;
    private long clusters;
    private long leaked;

    Qcow2Check(Qcow2Header header, IoFile file, boolean repair) {
        this.header = header;
        this.file = file;
        this.repair = repair;
        clusterSize = header.clusterSize();
    }

    CheckReport run() throws DiskException {
        counts = new Refcounts(header, file);
        try {
            countAll();
            if (repair && problems.isEmpty() && addBlocks()) {
                // they count too
                counted.clear();
                clusters = 0;
                countAll();
            }
            if (problems.isEmpty()) {
                compare(repair);
                marks();
            }
            if (repair && problems.isEmpty()) {
                file.flushNow();
                clearMarks();
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "check", e);
        }
        if (header.has(Qcow2Header.CORRUPT) && !repair) {
            problem("header field incompatible_features", Qcow2Header.AT_INCOMPATIBLE, "the mark of corruption (bit 1)", "none");
        }
        return new CheckReport(clusters, leaked, problems);
    }

    // ---- what refers to what

    private void countAll() throws DiskException, IOException {
        new References(header, file, counts, this).visit();
    }

    @Override
    public void data() {
        clusters++;
    }

    @Override
    public boolean goesOn(long bytes) {
        return problems.size() < MOST_PROBLEMS;
    }

    @Override
    public boolean refers(String structure, int entry, long at, long offset, long length, boolean aligned) {
        // the last cluster may be cut off
        if (offset < 0 || offset > file.size() || offset + length > file.size() + 2L * clusterSize
                || aligned && offset % clusterSize != 0 || offset >= file.size() && length > 0) {
            problem(name(structure, entry), at, String.format("0x%x", offset), "a cluster inside the file of " + file.size() + " bytes");
            return false;
        }
        for (long cluster = offset >> header.clusterBits(); cluster << header.clusterBits() < offset + length; cluster++) {
            long key = cluster >> CHUNK_BITS;
            int[] chunk = counted.get(key);
            if (chunk == null) {
                if (counted.size() == MOST_CHUNKS) {
                    problem(name(structure, entry), at, "more clusters than a check can hold in memory", "at most "
                            + (long) MOST_CHUNKS * CHUNK);
                    return false;
                }
                chunk = new int[CHUNK];
                counted.put(key, chunk);
            }
            chunk[(int) (cluster & CHUNK - 1)]++;
        }
        return true;
    }

    private static String name(String structure, int entry) {
        return entry < 0 ? structure : structure + " " + entry;
    }

    /** Where clusters in use have no block of counts, as a writer that was killed may leave it, there is one afterwards. */
    private boolean addBlocks() throws IOException {
        long[] table = counts.table();
        long first = Long.MAX_VALUE;
        for (Map.Entry<Long, int[]> chunk : counted.entrySet()) {
            for (int i = 0; i < CHUNK; i++) {
                long cluster = (chunk.getKey() << CHUNK_BITS) + i;
                long block = cluster / counts.perBlock();
                if (chunk.getValue()[i] != 0 && (block >= table.length || table[(int) block] == 0)) {
                    first = Math.min(first, cluster);
                }
            }
        }
        long end = file.size() + clusterSize - 1 & -clusterSize;
        if (first != Long.MAX_VALUE && ((end >> header.clusterBits()) - first) / counts.perBlock() > MOST_NEW_BLOCKS) {
            problem("refcount table", counts.tableOffset(), "no blocks for clusters from " + first + " on", "at most " + MOST_NEW_BLOCKS + " to be made");
        } else if (first != Long.MAX_VALUE) {
            counts.addBlocks(first << header.clusterBits(), end);
            return true;
        }
        return false;
    }

    private long counted(long cluster) {
        int[] chunk = counted.get(cluster >> CHUNK_BITS);
        return chunk == null ? 0 : chunk[(int) (cluster & CHUNK - 1)];
    }

    // ---- what the image says

    private void compare(boolean mend) throws IOException, DiskException {
        long[] table = counts.table();
        long end = (file.size() + clusterSize - 1) >> header.clusterBits();
        for (long first = 0, index = 0; first < end; first += counts.perBlock(), index++) {
            boolean there = index < table.length && table[(int) index] != 0;
            ByteBuffer block = there ? counts.read(table[(int) index]) : null;
            boolean changed = false;
            for (int i = 0; i < counts.perBlock() && first + i < end; i++) {
                long wanted = counted(first + i);
                long found = there ? counts.get(block, i) : 0;
                if (found == wanted) {
                    continue;
                }
                if (mend && there && wanted <= counts.largest()) {
                    counts.put(block, i, wanted);
                    changed = true;
                } else if (found > wanted) {
                    leaked++;
                } else {
                    problem("reference count of cluster " + (first + i), there ? table[(int) index] : 0, found, wanted);
                }
            }
            if (changed) {
                file.writeFully(block.clear(), table[(int) index]);
            }
        }
    }

    /** The mark of a count of one: in the active tables it says what the counts say. */
    private void marks() throws IOException {
        int l1Entries = header.l1Entries();
        if (l1Entries == 0) {
            return;
        }
        ByteBuffer l1 = ByteBuffer.allocate(l1Entries * 8);
        file.readFully(l1, header.l1Offset());
        ByteBuffer l2 = ByteBuffer.allocate(clusterSize);
        boolean external = header.has(Qcow2Header.EXTERNAL_DATA);
        for (int slot = 0; slot < l1Entries && problems.size() < MOST_PROBLEMS; slot++) {
            long offset = Qcow2Entry.offset(l1.getLong(slot * 8));
            if (offset == 0) {
                continue;
            }
            mark(l1, slot * 8, offset, "L1 entry " + slot, header.l1Offset());
            file.readFully(l2.clear(), offset);
            for (int i = 0; i < header.l2Entries() && problems.size() < MOST_PROBLEMS; i++) {
                int at = i * header.l2EntryBytes();
                long entry = l2.getLong(at);
                if (!Qcow2Entry.compressed(entry) && Qcow2Entry.offset(entry) != 0 && !external) {
                    mark(l2, at, Qcow2Entry.offset(entry), "L2 entry " + i, offset);
                }
            }
        }
    }

    private void mark(ByteBuffer table, int at, long offset, String structure, long tableOffset) throws IOException {
        long entry = table.getLong(at);
        boolean one = counted(offset >> header.clusterBits()) == 1;
        if (Qcow2Entry.copied(entry) == one) {
            return;
        }
        if (repair) {
            table.putLong(at, entry ^ Qcow2Entry.COPIED);
            file.writeFully(ByteBuffer.allocate(8).putLong(entry ^ Qcow2Entry.COPIED).flip(), tableOffset + at);
        } else {
            problem(structure, tableOffset + at, String.format("0x%x", entry),
                    "bit 63 " + (one ? "set" : "clear") + ", as its reference count is " + counted(offset >> header.clusterBits()));
        }
    }

    /** All is right now: the image is neither dirty nor corrupt. */
    private void clearMarks() throws IOException {
        long kept = header.incompatible() & ~(Qcow2Header.DIRTY | Qcow2Header.CORRUPT);
        if (kept != header.incompatible()) {
            file.writeFully(ByteBuffer.allocate(8).putLong(kept).flip(), Qcow2Header.AT_INCOMPATIBLE);
            file.flushNow();
        }
    }

    @Override
    public void problem(String structure, long at, Object found, Object expected) {
        if (problems.size() < MOST_PROBLEMS) {
            problems.add(DiskException.corrupt(file.path(), structure, at, found, expected).getMessage());
        }
    }

    /** For opening a dirty image: refuses one that could not be put right. */
    static void repairDirty(Qcow2Header header, IoFile file) throws DiskException {
        CheckReport report = new Qcow2Check(header, file, true).run();
        if (!report.clean()) {
            throw new DiskException(Reason.CORRUPT, report.problems().get(0) + " (the image is dirty, and could not be repaired)");
        }
    }
}
