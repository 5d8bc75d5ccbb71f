package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.StoredBitmaps.Ranges;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Interruption;

/** Reads the table and the bits of one bitmap: qcow2.txt, "Bitmap table" and "Bitmap data". Blocking. */
final class BitmapReader {
    private final Qcow2Header header;
    private final IoFile file;
    private final BitmapEntry entry;
    private final long[] table;
    private final ByteBuffer cluster;

    /** @throws DiskException CORRUPT or UNSUPPORTED if the bitmap cannot be used; IO */
    BitmapReader(Qcow2Header header, IoFile file, BitmapEntry entry) throws DiskException {
        this.header = header;
        this.file = file;
        this.entry = entry;
        BitmapDirectory.checkUsable(entry, header, file);
        ByteBuffer bytes = ByteBuffer.allocate(entry.tableEntries() * BitmapEntry.TABLE_ENTRY_BYTES);
        try {
            file.readFully(bytes, entry.tableOffset());
        } catch (IOException e) {
            throw failed(e);
        }
        table = new long[entry.tableEntries()];
        bytes.flip().asLongBuffer().get(table);
        for (int i = 0; i < table.length; i++) {
            check(i);
        }
        cluster = ByteBuffer.allocate(header.clusterSize());
    }

    private void check(int i) throws DiskException {
        long offset = table[i] & BitmapEntry.OFFSET;
        long rest = table[i] & ~BitmapEntry.OFFSET;
        boolean right = offset == 0
                ? (rest & ~BitmapEntry.ALL_ONES) == 0
                : rest == 0
                        && Alignment.isAligned(offset, header.clusterSize())
                        && offset <= file.size() - header.clusterSize();
        if (!right) {
            throw DiskException.corrupt(
                    file.path(),
                    "bitmap " + entry.name() + ", table entry " + i,
                    entry.tableOffset() + i * (long) BitmapEntry.TABLE_ENTRY_BYTES,
                    String.format("0x%x", table[i]),
                    "0, 1, or a cluster inside the file of " + file.size() + " bytes");
        }
    }

    /** Returns where the clusters with bits are, as far as the table, which is in the file, says it. */
    static List<Long> clusters(Qcow2Header header, IoFile file, BitmapEntry entry) throws DiskException {
        ByteBuffer bytes = ByteBuffer.allocate(entry.tableEntries() * BitmapEntry.TABLE_ENTRY_BYTES);
        try {
            file.readFully(bytes, entry.tableOffset());
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the table of the bitmap " + entry.name(), e);
        }
        List<Long> all = new ArrayList<>();
        for (int at = 0; at < bytes.capacity(); at += BitmapEntry.TABLE_ENTRY_BYTES) {
            long offset = bytes.getLong(at) & BitmapEntry.OFFSET;
            if (BitmapDirectory.isTable(header, file, offset, 1)) {
                all.add(offset);
            }
        }
        return all;
    }

    /** Reports what is dirty. */
    void read(Ranges into) throws DiskException {
        int bits = entry.granularityBits();
        long perCluster = (long) header.clusterSize() * Byte.SIZE;
        long last = header.size() >>> bits;
        long total = (last << bits) == header.size() ? last : last + 1;
        // of the run of ones that has begun, or -1
        long begin = -1;
        for (int i = 0; i < table.length; i++) {
            Interruption.check(file.path());
            long first = i * perCluster;
            int count = (int) Math.min(perCluster, total - first);
            if (!load(i)) {
                boolean ones = table[i] == BitmapEntry.ALL_ONES;
                if (begin >= 0 && !ones) {
                    report(into, begin, first);
                }
                begin = !ones ? -1 : begin < 0 ? first : begin;
                continue;
            }
            for (int bit = 0; bit < count; bit++) {
                boolean one = (cluster.get(bit >> 3) >> (bit & 7) & 1) != 0;
                if (one && begin < 0) {
                    begin = first + bit;
                } else if (!one && begin >= 0) {
                    report(into, begin, first + bit);
                    begin = -1;
                }
            }
        }
        if (begin >= 0) {
            report(into, begin, total);
        }
    }

    private void report(Ranges into, long first, long end) {
        long from = first << entry.granularityBits();
        long to = end << entry.granularityBits();
        // the last bit may stand for less
        to = to < 0 || to > header.size() ? header.size() : to;
        into.range(from, to - from);
    }

    /** Reads a cluster; false if it is not in the file, as all of it is alike. */
    private boolean load(int i) throws DiskException {
        long offset = table[i] & BitmapEntry.OFFSET;
        if (offset == 0) {
            return false;
        }
        try {
            file.readFully(cluster.clear(), offset);
        } catch (IOException e) {
            throw failed(e);
        }
        return true;
    }

    private DiskException failed(IOException e) {
        return DiskException.io(file.path(), "read the bitmap " + entry.name(), e);
    }
}
