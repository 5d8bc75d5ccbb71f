package org.blktap.format.qcow2;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.FileSpace;

/**
 * A new part of the file with the counts of its clusters: new blocks, and a larger table if it is full, go to the
 * beginning of the part. {@link #of} belongs to the loop, {@link #write} to a helper thread.
 */
final class RefcountGrowth implements FileSpace.Extension {
    /** A multiple of every device's sector. */
    private static final int END_UNIT = 64 << 10;

    private static final int ENTRIES_PER_SECTOR = SECTOR / Refcounts.TABLE_ENTRY_BYTES;

    private final Refcounts counts;
    private final IoFile file;
    private final int clusterSize;
    /** Where the part begins, with the new table if there is one. */
    private final long from;

    private final long start;
    private final long end;
    /** Indexes of the new blocks, in ascending order. */
    private final List<Integer> newBlocks;

    private final int newTableClusters;
    private final long[] table;

    private RefcountGrowth(
            Refcounts counts,
            long from,
            long start,
            long end,
            List<Integer> newBlocks,
            int newTableClusters,
            long[] table) {
        this.counts = counts;
        this.file = counts.file();
        this.clusterSize = counts.clusterSize();
        this.from = from;
        this.start = start;
        this.end = end;
        this.newBlocks = newBlocks;
        this.newTableClusters = newTableClusters;
        this.table = table;
    }

    /**
     * Plans a part of at least {@code [from, to)} without its tables; it ends where no device's sector is cut.
     *
     * @param counted an offset in the first cluster that must have a block
     */
    static RefcountGrowth of(Refcounts counts, long counted, long from, long to) {
        int clusterSize = counts.clusterSize();
        int clusterBits = Integer.numberOfTrailingZeros(clusterSize);
        long[] entries = counts.table();
        int firstBlock = (int) ((counted >> clusterBits) / counts.perBlock());
        int newClusters;
        int missing;
        int lastBlock;
        long need = 0;
        long end;
        do {
            int unit = Math.max(clusterSize, END_UNIT);
            end = Alignment.up(to + need, unit);
            lastBlock = (int) ((end - 1 >> clusterBits) / counts.perBlock());
            // half more than is needed, so that this happens rarely
            newClusters = lastBlock < entries.length ? 0 : (int) Alignment.units((lastBlock + 1L) * 12, clusterSize);
            missing = 0;
            for (int i = firstBlock; i <= lastBlock; i++) {
                missing += i >= entries.length || entries[i] == 0 ? 1 : 0;
            }
            need = (long) (newClusters + missing) * clusterSize;
        } while (to + need > end);
        entries = newClusters == 0
                ? entries.clone()
                : Arrays.copyOf(entries, newClusters * clusterSize / Refcounts.TABLE_ENTRY_BYTES);
        long at = from + (long) newClusters * clusterSize;
        List<Integer> blocks = new ArrayList<>();
        for (int i = firstBlock; i <= lastBlock; i++) {
            if (entries[i] == 0) {
                entries[i] = at;
                blocks.add(i);
                at += clusterSize;
            }
        }
        return new RefcountGrowth(counts, from, at, end, blocks, newClusters, entries);
    }

    @Override
    public long start() {
        return start;
    }

    @Override
    public long end() {
        return end;
    }

    /** The table with the new blocks. */
    long[] table() {
        return table;
    }

    /** Writes what has been planned; called again if the flush after it fails. */
    @Override
    public void write() throws IOException {
        synchronized (counts) {
            for (int block : newBlocks) {
                file.writeFully(ByteBuffer.allocate(clusterSize), table[block]);
            }
            counts.set(table, from, end, 1);
            if (newTableClusters == 0) {
                enterBlocks();
            } else if (from != counts.tableOffset()) {
                moveTable();
            }
        }
    }

    private void moveTable() throws IOException {
        ByteBuffer whole = ByteBuffer.allocate(newTableClusters * clusterSize);
        whole.asLongBuffer().put(table);
        file.writeFully(whole, from);
        file.flushNow();
        long oldOffset = counts.tableOffset();
        int oldClusters = counts.tableClusters();
        file.writeFully(
                ByteBuffer.allocate(Long.BYTES + Integer.BYTES)
                        .putLong(from)
                        .putInt(newTableClusters)
                        .flip(),
                Qcow2Header.AT_REFCOUNT_TABLE);
        file.flushNow();
        counts.tableMoved(from, newTableClusters);
        counts.add(oldOffset, oldOffset + (long) oldClusters * clusterSize, -1);
    }

    /**
     * Writes the entries that point at the new blocks, after the blocks. Lower new blocks hold the counts of higher
     * ones, so entries reach the disk from the lowest on, those of one sector at once.
     */
    private void enterBlocks() throws IOException {
        for (int i = 0; i < newBlocks.size(); ) {
            int first = newBlocks.get(i);
            int last = first;
            while (i < newBlocks.size() && newBlocks.get(i) / ENTRIES_PER_SECTOR == first / ENTRIES_PER_SECTOR) {
                last = newBlocks.get(i++);
            }
            ByteBuffer run = ByteBuffer.allocate((last + 1 - first) * Refcounts.TABLE_ENTRY_BYTES);
            run.asLongBuffer().put(table, first, last + 1 - first);
            file.flushNow();
            file.writeFully(run, counts.tableOffset() + first * (long) Refcounts.TABLE_ENTRY_BYTES);
        }
    }
}
