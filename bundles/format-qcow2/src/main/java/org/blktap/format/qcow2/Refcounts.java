package org.blktap.format.qcow2;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.FileSpace;

/**
 * The reference counts: a table in memory of where their blocks are; the blocks are read and written when counts change
 * (qcow2.txt, "Host cluster management").
 *
 * <p>Counts are made ahead: when the file grows by a step, all its new clusters are counted once, in the flush that
 * makes the step durable. So an allocation changes no count, and no table ever points at an uncounted cluster; a crash
 * leaves counted clusters that nothing refers to. A freed cluster loses its count, or is handed over with it, after the
 * flush of the tables that pointed there.
 *
 * <p>{@link #plan} and the table belong to the loop. Everything else runs one at a time, on helper threads or while
 * nothing is in flight.
 */
final class Refcounts implements FileSpace.Growth {
    /** Bytes of an entry of the refcount table. */
    static final int TABLE_ENTRY_BYTES = 8;

    private final IoFile file;
    private final int clusterBits;
    private final int clusterSize;
    private final int order;
    private final RefcountBlock counting;
    private final int perBlock;
    private volatile long[] table;
    private long tableOffset;
    private int tableClusters;

    Refcounts(Qcow2Header header, IoFile file) throws DiskException {
        this.file = file;
        clusterBits = header.clusterBits();
        clusterSize = header.clusterSize();
        order = header.refcountOrder();
        counting = new RefcountBlock(order);
        perBlock = 1 << clusterBits + 3 - order;
        tableOffset = header.refcountTableOffset();
        tableClusters = header.refcountTableClusters();
        long end = file.size();
        if (tableOffset >= end) {
            throw DiskException.corrupt(
                    file.path(),
                    "header field refcount_table_offset",
                    Qcow2Header.AT_REFCOUNT_TABLE,
                    tableOffset,
                    "a cluster inside the file of " + end + " bytes");
        }
        ByteBuffer bytes = ByteBuffer.allocate(tableClusters * clusterSize);
        try {
            file.readFully(bytes, tableOffset);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the refcount table", e);
        }
        long[] entries = new long[bytes.capacity() / TABLE_ENTRY_BYTES];
        bytes.flip().asLongBuffer().get(entries);
        for (int i = 0; i < entries.length; i++) {
            if (entries[i] != 0
                    && (!Alignment.isAligned(entries[i], clusterSize) || entries[i] < 0 || entries[i] >= end)) {
                throw DiskException.corrupt(
                        file.path(),
                        "refcount table entry " + i,
                        tableOffset + i * (long) TABLE_ENTRY_BYTES,
                        String.format("0x%x", entries[i]),
                        "a cluster inside the file");
            }
        }
        table = entries;
    }

    /** Offsets of the blocks, 0 for none. */
    long[] table() {
        return table;
    }

    long tableOffset() {
        return tableOffset;
    }

    int tableClusters() {
        return tableClusters;
    }

    /** Counts in one block. */
    int perBlock() {
        return perBlock;
    }

    /** How counts lie in a block. */
    RefcountBlock block() {
        return counting;
    }

    IoFile file() {
        return file;
    }

    int clusterSize() {
        return clusterSize;
    }

    /**
     * New blocks, and a larger table if it is full, go to the beginning of the new part; it ends where no device's
     * sector is cut.
     */
    @Override
    public FileSpace.Extension plan(long from, long to) {
        return plan(from, from, to);
    }

    /** @param counted an offset in the first cluster that must have a block */
    private RefcountGrowth plan(long counted, long from, long to) {
        RefcountGrowth growth = RefcountGrowth.of(this, counted, from, to);
        table = growth.table();
        return growth;
    }

    /** Called when the header points at a new table. */
    void tableMoved(long offset, int clusters) {
        tableOffset = offset;
        tableClusters = clusters;
    }

    /**
     * Gives a new image its counts, whose blocks go after its end.
     *
     * @param references of each cluster of the file, for those of {@code [from, end)}
     */
    void count(long from, long end, int[] references) throws IOException {
        RefcountGrowth growth = plan(from, end, end);
        growth.write();
        add(growth.start(), growth.end(), -1);
        forEachBlock(table, from, end, (block, first, last, cluster) -> {
            for (int i = first; i < last; i++) {
                counting.put(block, i, references[(int) cluster + i - first]);
            }
            return true;
        });
    }

    /**
     * Appends counted clusters to an image that is not in use. Blocking.
     *
     * @param end of the file, a multiple of a cluster
     * @return where they begin
     */
    long extend(long end, int bytes) throws IOException {
        RefcountGrowth growth = plan(end, end, end + bytes);
        long used = growth.start() + bytes;
        file.truncateNow(growth.end());
        growth.write();
        add(used, growth.end(), -1);
        file.truncateNow(used);
        file.flushNow();
        return growth.start();
    }

    /**
     * Adds all missing blocks from a cluster on, to an image that is not in use. Blocking.
     *
     * @param end of the file, a multiple of a cluster; the blocks go there
     */
    void addBlocks(long from, long end) throws IOException {
        RefcountGrowth growth = plan(from, end, end);
        file.truncateNow(growth.end());
        growth.write();
        add(growth.start(), growth.end(), -1);
        file.truncateNow(growth.start());
        file.flushNow();
    }

    /** Sets the counts of clusters, in the blocks of a table. */
    void set(long[] entries, long from, long to, long count) throws IOException {
        forEachBlock(entries, from, to, (block, first, last, cluster) -> {
            for (int i = first; i < last; i++) {
                counting.put(block, i, count);
            }
            return true;
        });
    }

    /** Adds to the counts of clusters; a count never goes below 0 or past what it can hold. */
    synchronized void add(long from, long to, int change) throws IOException {
        forEachBlock(table, from, to, (block, first, last, cluster) -> {
            boolean changed = false;
            for (int i = first; i < last; i++) {
                long count = counting.get(block, i);
                if (count + change >= 0 && count + change <= counting.largest()) {
                    counting.put(block, i, count + change);
                    changed = true;
                }
            }
            return changed;
        });
    }

    /** Calls {@link #add} for each of a list. */
    void add(Ranges ranges, int change) throws IOException {
        for (int i = 0; i < ranges.count(); i++) {
            add(ranges.from(i), ranges.to(i), change);
        }
    }

    /**
     * Lowers the count of each cluster of a list; clusters with a count of one keep it, and are handed over to the
     * caller.
     *
     * @param handedOver gets those
     */
    synchronized void release(Ranges ranges, Ranges handedOver) throws IOException {
        for (int r = 0; r < ranges.count(); r++) {
            forEachBlock(table, ranges.from(r), ranges.to(r), (block, first, last, cluster) -> {
                boolean changed = false;
                for (int i = first; i < last; i++) {
                    long count = counting.get(block, i);
                    long at = cluster + i - first << clusterBits;
                    if (count > 1) {
                        counting.put(block, i, count - 1);
                        changed = true;
                    } else if (count == 1) {
                        handedOver.add(at, at + clusterSize);
                    }
                }
                return changed;
            });
        }
    }

    /**
     * Sets the count of clusters with a count of 0 to one, and hands them over to the caller, each when its count has
     * been written.
     *
     * @param free what {@link Uncounted} has found
     * @param from where to begin
     * @param most bytes to claim
     * @param claimed gets those
     * @return where to go on; the end of the last range when all have been claimed
     */
    synchronized long claim(Ranges free, long from, long most, Ranges claimed) throws IOException {
        long blockBytes = (long) perBlock << clusterBits;
        long at = from;
        long left = most;
        int pieces = FreeClusters.MOST / 2;
        for (int r = 0; r < free.count(); r++) {
            at = Math.max(at, free.from(r));
            while (at < free.to(r)) {
                if (left < clusterSize || pieces-- == 0) {
                    return at;
                }
                long end = Math.min(
                        Math.min(free.to(r), at + Alignment.down(left, clusterSize)),
                        Alignment.down(at, blockBytes) + blockBytes);
                Ranges counted = new Ranges();
                forEachBlock(table, at, end, (block, first, last, cluster) -> {
                    for (int i = first; i < last; i++) {
                        if (counting.get(block, i) == 0) {
                            counting.put(block, i, 1);
                            long taken = cluster + i - first << clusterBits;
                            counted.add(taken, taken + clusterSize);
                        }
                    }
                    return !counted.isEmpty();
                });
                claimed.addAll(counted);
                left -= end - at;
                at = end;
            }
        }
        return at;
    }

    private interface BlockPart {
        /**
         * @param first of the counts that are meant, in this piece of a block
         * @param cluster of the file, whose count is the first
         * @return whether counts have changed
         */
        boolean change(ByteBuffer block, int first, int last, long cluster) throws IOException;
    }

    private void forEachBlock(long[] entries, long from, long to, BlockPart part) throws IOException {
        for (long cluster = from >> clusterBits, end = to >> clusterBits; cluster < end; ) {
            int index = (int) (cluster / perBlock);
            int first = (int) (cluster % perBlock);
            int last = (int) Math.min(perBlock, first + end - cluster);
            if (index < entries.length && entries[index] != 0) {
                // the sectors that hold them
                int fromByte = Alignment.down((int) ((long) first << order >> 3), SECTOR);
                int toByte = (int) Math.min(clusterSize, Alignment.up(((long) last << order) + 7 >> 3, SECTOR));
                ByteBuffer piece = ByteBuffer.allocate(toByte - fromByte);
                file.readFully(piece, entries[index] + fromByte);
                int skipped = (int) ((long) fromByte << 3 >> order);
                if (part.change(piece.flip(), first - skipped, last - skipped, cluster)) {
                    file.writeFully(piece.clear(), entries[index] + fromByte);
                }
            }
            cluster += last - first;
        }
    }

    /** A block of counts. */
    ByteBuffer read(long blockOffset) throws IOException {
        ByteBuffer block = ByteBuffer.allocate(clusterSize);
        file.readFully(block, blockOffset);
        return block.flip();
    }
}
