package org.blktap.format.qcow2;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.IoFile;

/**
 * Looks for clusters that earlier sessions left free: their count is 0, and no table refers to them. Only reads, before
 * the image is in use. If a table refers to a cluster with a count of 0, the counts are wrong and no cluster is taken
 * to be free; nor if the tables are too large to be read through.
 */
final class Uncounted implements References.Visitor {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");
    private static final int MOST_RANGES = 16_384;
    /** Bytes of blocks of counts that are looked through. */
    private static final long MOST_COUNTS = 16 << 20;
    /** Bytes of tables, and tables, that are worth reading: those of 128 GiB in clusters of 64 KiB. */
    private static final long MOST_BYTES = 16 << 20;

    private static final int MOST_TABLES = 1024;

    private final IoFile file;
    private final Ranges found;
    private long bytes;
    private int tables;
    private boolean unsure;

    private Uncounted(IoFile file, Ranges found) {
        this.file = file;
        this.found = found;
    }

    /** Returns these clusters in ascending order; none if any doubt is left. Blocking. */
    static Ranges find(Qcow2Header header, IoFile file, Refcounts counts) {
        Ranges none = new Ranges();
        try {
            Ranges found = byTheCounts(header, file, counts);
            if (found.isEmpty()) {
                return none;
            }
            Uncounted search = new Uncounted(file, found);
            References references = new References(header, file, new TableReader(file, null), counts, search);
            references.find();
            if (!search.unsure) {
                references.visit();
            }
            return search.unsure ? none : found;
        } catch (IOException | DiskException e) {
            LOG.log(Level.WARNING, file.path() + ": free clusters are not looked for: " + e.getMessage());
            return none;
        }
    }

    private static Ranges byTheCounts(Qcow2Header header, IoFile file, Refcounts counts) throws IOException {
        Ranges free = new Ranges();
        long[] table = counts.table();
        long end = file.size() >> header.clusterBits();
        long first = 0;
        long looked = 0;
        for (int index = 0;
                index < table.length && first < end && looked < MOST_COUNTS;
                index++, first += counts.perBlock()) {
            if (table[index] == 0) {
                continue;
            }
            looked += header.clusterSize();
            ByteBuffer block = counts.read(table[index]);
            for (int i = index == 0 ? 1 : 0;
                    i < counts.perBlock() && first + i < end && free.count() < MOST_RANGES;
                    i++) {
                if (counts.block().get(block, i) == 0) {
                    free.add(first + i << header.clusterBits(), first + i + 1 << header.clusterBits());
                }
            }
        }
        return free;
    }

    @Override
    public boolean mayRead(String structure, int entry, long at, long offset, long length) {
        return !unsure && offset >= 0 && offset < file.size();
    }

    @Override
    public boolean wants(long from, long to) {
        return true;
    }

    @Override
    public void refers(String structure, int entry, long at, long offset, long length, boolean cluster, int times) {
        if (!unsure && found.sortedOverlap(offset, offset + length)) {
            unsure = true;
            LOG.log(
                    Level.WARNING,
                    String.format(
                            "%s: %s%s at offset %d refers to 0x%x, whose reference count is 0: the counts are too low,"
                                    + " and no cluster that is free by them is used; run blktap check --repair",
                            file.path(), structure, entry < 0 ? "" : " " + entry, at, offset));
        }
    }

    @Override
    public void data() {
        // refers() reports it too
    }

    @Override
    public void problem(String structure, long at, Object wrong, Object expected) {
        unsure = true;
    }

    @Override
    public boolean goesOn(long more) {
        bytes += more;
        tables += more == 0 ? 0 : 1;
        unsure |= bytes > MOST_BYTES || tables > MOST_TABLES;
        return !unsure;
    }
}
