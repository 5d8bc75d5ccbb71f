package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Interruption;

/**
 * Counts all references and compares them with the image's counts: a count that is too low is a problem, one that is
 * too high a leak. In an image that is marked dirty neither is a problem. A repair corrects the counts, and the
 * {@link CopiedFlags}.
 *
 * <p>Makes as many passes over the tables as {@link ClusterCounts} needs; a pass reads each table at most once.
 * Blocking, on a control thread; ends when the thread is interrupted.
 */
final class Qcow2Check implements References.Visitor {
    private static final int MOST_PROBLEMS = 100;
    private static final int MOST_NEW_BLOCKS = 4096;
    /**
     * Enough for 64 TiB in clusters of 64 KiB twice over; no writer makes images whose references are more scattered.
     */
    private static final int MOST_PASSES = 256;

    private final Qcow2Header header;
    private final IoFile file;
    private final TableReader reader;
    private final boolean repair;
    private final CopiedFlags flags;
    private final int clusterSize;
    private final List<String> problems = new ArrayList<>();
    private ClusterCounts counted = new ClusterCounts();
    private Refcounts counts;
    private boolean firstPass;
    /** The first cluster in use that has no block of counts. */
    private long firstWithoutBlock;

    private long clusters;
    private long leaked;
    /** Wrong counts that have been corrected, or that the dirty mark of the image excuses. */
    private long corrected;

    private long freed;

    Qcow2Check(Qcow2Header header, IoFile file, IoLoop loop, boolean repair) {
        reader = new TableReader(file, loop);
        this.header = header;
        this.file = file;
        this.repair = repair;
        flags = new CopiedFlags(header, file, reader, repair, this);
        clusterSize = header.clusterSize();
    }

    CheckReport run() throws DiskException {
        counts = new Refcounts(header, file);
        try {
            if (eachBlockOnce()) {
                passes();
            }
            if (repair && problems.isEmpty()) {
                file.flushNow();
                clearMarks();
            }
        } catch (IOException e) {
            throw DiskException.io(file.path(), "check", e);
        }
        if (header.has(Qcow2Header.CORRUPT) && !repair) {
            problem(
                    "header field incompatible_features",
                    Qcow2Header.AT_INCOMPATIBLE,
                    "the mark of corruption (bit 1)",
                    "none");
        }
        return new CheckReport(clusters, leaked, problems, repairs());
    }

    /** Lists what a repair would do, or has done, without loss of data. */
    private List<String> repairs() {
        List<String> repairs = new ArrayList<>();
        boolean done = repair && problems.isEmpty();
        if (header.has(Qcow2Header.DIRTY) && (done || !repair)) {
            repairs.add("dirty mark of a writer that did not close the image: cleared");
        }
        if (header.has(Qcow2Header.CORRUPT) && done) {
            repairs.add("mark of corruption: cleared");
        }
        long right = corrected + flags.corrected();
        if (right > 0) {
            repairs.add(right
                    + (right == 1 ? " reference count or copied flag" : " reference counts or copied flags")
                    + ": corrected");
        }
        if (freed > 0) {
            repairs.add(freed + (freed == 1 ? " leaked cluster" : " leaked clusters") + ": freed");
        }
        return repairs;
    }

    private boolean eachBlockOnce() {
        long[] blocks = counts.table().clone();
        Arrays.sort(blocks);
        for (int i = 1; i < blocks.length; i++) {
            if (blocks[i] != 0 && blocks[i] == blocks[i - 1]) {
                problem(
                        "refcount table",
                        counts.tableOffset(),
                        String.format("two entries that point at the block 0x%x", blocks[i]),
                        "one at most");
                return false;
            }
        }
        return true;
    }

    private void passes() throws DiskException, IOException {
        References references = new References(header, file, reader, counts, this);
        references.find();
        boolean blocksAdded = false;
        for (int pass = 0; problems.isEmpty(); pass++) {
            if (pass == MOST_PASSES) {
                problem(
                        "L2 tables",
                        header.l1Offset(),
                        "references to more places than can be counted in " + MOST_PASSES + " passes",
                        "fewer");
                return;
            }
            firstPass = pass == 0;
            firstWithoutBlock = Long.MAX_VALUE;
            clusters = firstPass ? 0 : clusters;
            references.visit();
            if (!problems.isEmpty()) {
                return;
            }
            if (firstPass && repair && !blocksAdded && addBlocks()) {
                // the new blocks are clusters in use too: count again
                blocksAdded = true;
                counted = new ClusterCounts();
                pass = -1;
                continue;
            }
            compare();
            flags.check(references, counted);
            if (!counted.next()) {
                return;
            }
        }
    }

    // ---- what refers to what

    @Override
    public void data() {
        clusters += firstPass ? 1 : 0;
    }

    @Override
    public boolean goesOn(long bytes) {
        return problems.size() < MOST_PROBLEMS;
    }

    @Override
    public boolean wants(long from, long to) {
        return from < to
                && from >> header.clusterBits() < counted.limit()
                && to - 1 >> header.clusterBits() >= counted.from();
    }

    @Override
    public boolean mayRead(String structure, int entry, long at, long offset, long length) {
        return isInside(structure, entry, at, offset, length, true);
    }

    private boolean isInside(String structure, int entry, long at, long offset, long length, boolean aligned) {
        // the last cluster may be cut off
        if (offset < 0
                || offset > file.size()
                || offset + length > file.size() + 2L * clusterSize
                || aligned && !Alignment.isAligned(offset, clusterSize)
                || offset >= file.size() && length > 0) {
            problem(
                    entry < 0 ? structure : structure + " " + entry,
                    at,
                    String.format("0x%x", offset),
                    "a cluster inside the file of " + file.size() + " bytes");
            return false;
        }
        return true;
    }

    @Override
    public void refers(String structure, int entry, long at, long offset, long length, boolean aligned, int times) {
        if (firstPass && !isInside(structure, entry, at, offset, length, aligned)) {
            return;
        }
        long[] table = counts.table();
        for (long cluster = offset >> header.clusterBits();
                cluster << header.clusterBits() < offset + length;
                cluster++) {
            counted.add(cluster, times);
            if (firstPass && cluster < firstWithoutBlock) {
                long block = cluster / counts.perBlock();
                if (block >= table.length || table[(int) block] == 0) {
                    firstWithoutBlock = cluster;
                }
            }
        }
    }

    /** Adds missing refcount blocks for clusters in use, as a killed writer may leave them. */
    private boolean addBlocks() throws IOException {
        long first = firstWithoutBlock;
        long end = Alignment.up(file.size(), clusterSize);
        if (first >= end >> header.clusterBits()) {
            return false;
        }
        if (((end >> header.clusterBits()) - first) / counts.perBlock() > MOST_NEW_BLOCKS) {
            problem(
                    "refcount table",
                    counts.tableOffset(),
                    "no blocks for clusters from " + first + " on",
                    "at most " + MOST_NEW_BLOCKS + " to be made");
            return false;
        }
        counts.addBlocks(first << header.clusterBits(), end);
        corrected++;
        return true;
    }

    // ---- what the image says

    /** The counts of the clusters of this pass. */
    private void compare() throws IOException, DiskException {
        long[] table = counts.table();
        long end = Math.min(counted.limit(), file.size() + clusterSize - 1 >> header.clusterBits());
        long cluster = counted.from();
        while (cluster < end && problems.size() < MOST_PROBLEMS) {
            long index = cluster / counts.perBlock();
            long next = Math.min(end, (index + 1) * counts.perBlock());
            if (index < table.length && table[(int) index] != 0) {
                Interruption.check(file.path());
                compare(table[(int) index], cluster, next);
            } else {
                next = compareUncounted(cluster, next);
            }
            cluster = next;
        }
    }

    private void compare(long blockAt, long from, long to) throws IOException {
        ByteBuffer block = ByteBuffer.allocate(clusterSize);
        if (!reader.read(block, blockAt)) {
            if (counted.nextChunk(from) >= to) {
                return;
            }
            block = ByteBuffer.allocate(clusterSize);
        }
        long skipped = from / counts.perBlock() * counts.perBlock();
        boolean changed = false;
        for (long cluster = from; cluster < to; cluster++) {
            int i = (int) (cluster - skipped);
            long wanted = counted.get(cluster);
            long found = counts.block().get(block, i);
            if (ClusterCounts.same(found, wanted)) {
                continue;
            }
            if (repair && wanted <= counts.block().largest()) {
                counts.block().put(block, i, wanted);
                changed = true;
                freed += wanted == 0 ? 1 : 0;
                corrected += wanted == 0 ? 0 : 1;
            } else if (found > wanted) {
                leaked++;
            } else {
                tooLow(cluster, blockAt, found, wanted);
            }
        }
        if (changed) {
            file.writeFully(block.clear(), blockAt);
        }
    }

    /**
     * Reports used clusters without a block of counts. Returns where to continue: the next cluster that is used or has
     * a block.
     */
    private long compareUncounted(long from, long to) {
        for (long cluster = Math.max(from, counted.nextChunk(from));
                cluster < to && problems.size() < MOST_PROBLEMS;
                cluster++) {
            long wanted = counted.get(cluster);
            if (wanted != 0) {
                tooLow(cluster, 0, 0, wanted);
            }
        }
        return Math.max(to, Math.min(counted.nextChunk(to), nextBlock(to)));
    }

    private long nextBlock(long cluster) {
        long[] table = counts.table();
        for (long index = cluster / counts.perBlock(); index < table.length; index++) {
            if (table[(int) index] != 0) {
                return Math.max(cluster, index * counts.perBlock());
            }
        }
        return Long.MAX_VALUE;
    }

    /** Reports a count that is too low. In an image that is marked dirty this is expected. */
    private void tooLow(long cluster, long blockAt, long found, long wanted) {
        if (header.has(Qcow2Header.DIRTY) && wanted <= counts.block().largest()) {
            corrected++;
        } else {
            problem("reference count of cluster " + cluster, blockAt, found, wanted);
        }
    }

    /** Clears the dirty and corrupt marks of an image that is now correct. */
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
            problems.add(DiskException.corrupt(file.path(), structure, at, found, expected)
                    .getMessage());
        }
    }

    /** Repairs a dirty image when it is opened; refuses one that cannot be repaired. */
    static void repairDirty(Qcow2Header header, IoFile file, IoLoop loop) throws DiskException {
        CheckReport report = new Qcow2Check(header, file, loop, true).run();
        if (!report.clean()) {
            throw new DiskException(
                    Reason.CORRUPT, report.problems().get(0) + " (the image is dirty, and could not be repaired)");
        }
    }
}
