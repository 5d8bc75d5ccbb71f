package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.StoredBitmaps.Source;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Writes bitmaps and a directory to new, counted clusters of an image that nobody writes, and then has the header point
 * there, by one write of its first sector. After that, the clusters of the bitmaps before are freed. So a crash leaves
 * the old directory or the new one, and leaks at worst. Blocking.
 */
final class BitmapWriter {
    private final IoFile file;
    private final Qcow2Header header;
    private final Refcounts counts;
    private final int clusterSize;
    /** What the image has now. */
    private final BitmapDirectory before;

    /** Clusters with bits, tables, and the directory: the bytes of each, and where it goes. */
    private final List<Piece> pieces = new ArrayList<>();
    /** Clusters of the bitmaps before. */
    private final Ranges old = new Ranges();

    private static final class Piece {
        private final int bytes;
        private long at;

        Piece(int bytes) {
            this.bytes = bytes;
        }
    }

    /** A bitmap and the places of its clusters; null in the list stands for clusters that are all alike. */
    private record Placed(Source source, Bits bits, List<Piece> clusters, Piece table) {}

    BitmapWriter(IoFile file, Refcounts counts, BitmapDirectory before) throws DiskException {
        this.file = file;
        this.counts = counts;
        this.before = before;
        header = Qcow2Header.read(file);
        clusterSize = header.clusterSize();
    }

    /**
     * Makes a directory of the entries that stay, as they are, and of new bitmaps.
     *
     * @param gone entries whose clusters are freed
     */
    void write(List<BitmapEntry> kept, List<? extends Source> added, List<BitmapEntry> gone) throws DiskException {
        try {
            for (BitmapEntry each : gone) {
                noteClusters(each);
            }
            if (before.bytes() > 0) {
                note(before.offset(), before.bytes());
            }
            List<Placed> placed = new ArrayList<>();
            for (Source each : added) {
                placed.add(plan(each));
            }
            if (kept.isEmpty() && added.isEmpty()) {
                header(null);
            } else {
                header(directory(kept, placed));
            }
            free();
        } catch (IOException e) {
            throw DiskException.io(file.path(), "store the bitmaps", e);
        }
    }

    private byte[] directory(List<BitmapEntry> kept, List<Placed> placed) throws DiskException, IOException {
        List<BitmapEntry> entries = new ArrayList<>(kept);
        for (Placed each : placed) {
            int flags =
                    (each.source.recording() ? BitmapEntry.AUTO : 0) | (each.source.stale() ? BitmapEntry.IN_USE : 0);
            BitmapEntry replaced = before.find(each.source.name());
            // data that forbids the use of its bitmap is of the bitmap before
            boolean hasExtra = replaced != null && replaced.has(BitmapEntry.EXTRA_COMPATIBLE);
            // its place is known later
            entries.add(new BitmapEntry(
                    0,
                    0,
                    each.clusters.size(),
                    hasExtra ? flags | replaced.flags() & BitmapEntry.EXTRA_COMPATIBLE : flags,
                    BitmapEntry.DIRTY_TRACKING,
                    Long.numberOfTrailingZeros(each.source.granularity()),
                    hasExtra ? replaced.extra() : new byte[0],
                    each.source.name()));
        }
        int bytes = entries.stream().mapToInt(BitmapEntry::bytes).sum();
        if (entries.size() > BitmapDirectory.MAX_BITMAPS || bytes > BitmapDirectory.MAX_BYTES) {
            throw new DiskException(
                    DiskException.Reason.UNSUPPORTED,
                    file.path() + ": " + entries.size() + " bitmaps, whose directory has " + bytes + " bytes: at most "
                            + BitmapDirectory.MAX_BYTES + " are stored");
        }
        Piece directory = piece(bytes);
        place();
        ByteBuffer all = ByteBuffer.allocate(Alignment.up(bytes, clusterSize));
        for (int i = 0; i < entries.size(); i++) {
            BitmapEntry each = entries.get(i);
            if (i >= kept.size()) {
                Placed its = placed.get(i - kept.size());
                each = new BitmapEntry(
                        0,
                        its.table.at,
                        each.tableEntries(),
                        each.flags(),
                        each.type(),
                        each.granularityBits(),
                        each.extra(),
                        each.name());
            }
            each.put(all);
        }
        for (Placed each : placed) {
            write(each);
        }
        file.writeFully(all.clear(), directory.at);
        file.flushNow();
        return new BitmapDirectory(directory.at, bytes, entries).extension();
    }

    /** Points the header at a new directory; null for none. */
    private void header(byte[] extension) throws DiskException {
        long autoclear = header.autoclear() & ~Qcow2Header.BITMAPS;
        new HeaderChange(file).bitmaps(extension, extension == null ? autoclear : autoclear | Qcow2Header.BITMAPS);
    }

    // ---- new clusters

    private Piece piece(int bytes) {
        Piece piece = new Piece(Alignment.up(bytes, clusterSize));
        pieces.add(piece);
        return piece;
    }

    private Placed plan(Source source) throws DiskException {
        int granularityBits = Long.numberOfTrailingZeros(source.granularity());
        int count = BitmapEntry.clusters(header.size(), granularityBits, clusterSize);
        if (count < 0
                || granularityBits < BitmapEntry.MIN_GRANULARITY_BITS
                || granularityBits > BitmapEntry.MAX_GRANULARITY_BITS) {
            throw new DiskException(
                    DiskException.Reason.UNSUPPORTED,
                    file.path() + ": bitmap " + source.name() + ": qcow2 has none with a granularity of "
                            + source.granularity() + " for a disk of " + header.size() + " bytes");
        }
        Bits bits = new Bits(source, header.size(), clusterSize);
        Piece[] clusters = new Piece[count];
        for (int i = 0; i < count; i++) {
            clusters[i] = source.stale() || bits.alike(i) ? null : piece(clusterSize);
        }
        return new Placed(
                source, bits, Arrays.asList(clusters), piece(Math.max(1, count) * BitmapEntry.TABLE_ENTRY_BYTES));
    }

    /** Finds a place for each piece: free clusters of the file, and its end. Their counts are raised. */
    private void place() throws DiskException, IOException {
        Ranges free = Uncounted.find(header, file, counts);
        int range = 0;
        long at = free.isEmpty() ? 0 : free.from(0);
        int appended = 0;
        Ranges taken = new Ranges();
        for (Piece each : pieces) {
            // ranges that are too short for a table are left out
            while (range < free.count() && at + each.bytes > free.to(range)) {
                range++;
                at = range < free.count() ? free.from(range) : 0;
            }
            if (range < free.count()) {
                each.at = at;
                taken.add(at, at + each.bytes);
                at += each.bytes;
            } else {
                appended = Math.addExact(appended, each.bytes);
            }
        }
        counts.add(taken, 1);
        if (appended > 0) {
            long end = counts.extend(Alignment.up(file.size(), clusterSize), appended);
            for (Piece each : pieces) {
                if (each.at == 0) {
                    each.at = end;
                    end += each.bytes;
                }
            }
        }
    }

    private void write(Placed bitmap) throws IOException {
        ByteBuffer table = ByteBuffer.allocate(bitmap.table.bytes);
        ByteBuffer cluster = ByteBuffer.allocate(clusterSize);
        for (int i = 0; i < bitmap.clusters.size(); i++) {
            Piece at = bitmap.clusters.get(i);
            if (at == null) {
                boolean ones = bitmap.source.stale() || bitmap.bits.isSet(i);
                table.putLong(i * BitmapEntry.TABLE_ENTRY_BYTES, ones ? BitmapEntry.ALL_ONES : 0);
            } else {
                table.putLong(i * BitmapEntry.TABLE_ENTRY_BYTES, at.at);
                bitmap.bits.fill(i, cluster.clear());
                file.writeFully(cluster.clear(), at.at);
            }
        }
        file.writeFully(table.clear(), bitmap.table.at);
    }

    // ---- old clusters

    private void noteClusters(BitmapEntry entry) throws DiskException {
        long bytes = Integer.toUnsignedLong(entry.tableEntries()) * BitmapEntry.TABLE_ENTRY_BYTES;
        // a table of another size was of a disk of another size
        if (bytes > BitmapEntry.MAX_BITMAP_BYTES / clusterSize * BitmapEntry.TABLE_ENTRY_BYTES
                || !BitmapDirectory.isTable(header, file, entry.tableOffset(), bytes)) {
            return;
        }
        for (long cluster : BitmapReader.clusters(header, file, entry)) {
            note(cluster, clusterSize);
        }
        note(entry.tableOffset(), bytes);
    }

    private void note(long from, long bytes) {
        // tables of the image stay, whatever points there
        if (BitmapDirectory.isTable(header, file, from, bytes)) {
            old.add(from, from + Alignment.up(bytes, clusterSize));
        }
    }

    private void free() throws IOException {
        Ranges once = once();
        if (once.isEmpty()) {
            return;
        }
        Ranges free = new Ranges();
        counts.release(once, free);
        counts.add(free, -1);
        long end = Alignment.up(file.size(), clusterSize);
        for (int i = free.count() - 1; i >= 0 && free.to(i) == end; i--) {
            end = free.from(i);
        }
        file.flushNow();
        if (end < file.size()) {
            file.truncateNow(end);
            file.flushNow();
        }
    }

    /** The old clusters in ascending order, each once, without blocks of counts. */
    private Ranges once() {
        long[][] sorted = new long[old.count()][];
        for (int i = 0; i < sorted.length; i++) {
            sorted[i] = new long[] {old.from(i), old.to(i)};
        }
        Arrays.sort(sorted, (a, b) -> Long.compare(a[0], b[0]));
        Ranges blocks = new Ranges();
        Arrays.stream(counts.table())
                .filter(block -> block != 0)
                .sorted()
                .forEach(block -> blocks.add(block, block + clusterSize));
        Ranges once = new Ranges();
        long end = 0;
        for (long[] each : sorted) {
            long from = Math.max(end, each[0]);
            if (from < each[1] && !blocks.sortedOverlap(from, each[1])) {
                once.add(from, each[1]);
            }
            end = Math.max(end, each[1]);
        }
        return once;
    }

    /** The bits of a source, by the clusters that they take. */
    private static final class Bits {
        private final Source source;
        private final int shift;
        private final long diskBytes;
        /** Bytes of the disk that one cluster stands for. */
        private final long covered;

        Bits(Source source, long diskBytes, int clusterSize) {
            this.source = source;
            this.diskBytes = diskBytes;
            shift = Long.numberOfTrailingZeros(source.granularity());
            covered = (long) clusterSize * Byte.SIZE << shift;
        }

        private long from(int cluster) {
            return cluster * covered;
        }

        private long to(int cluster) {
            // the product may be more than a long holds
            return diskBytes - from(cluster) <= covered ? diskBytes : from(cluster) + covered;
        }

        /** Whether all bits of a cluster are equal, and no others would be written with them. */
        boolean alike(int cluster) {
            long end = to(cluster);
            boolean set = isSet(cluster);
            boolean equal = set ? source.nextClean(from(cluster)) >= end : source.nextDirty(from(cluster)) >= end;
            // the unused bits at the end must be zero
            return equal && (!set || end - from(cluster) == covered);
        }

        boolean isSet(int cluster) {
            return source.nextDirty(from(cluster)) == from(cluster);
        }

        void fill(int cluster, ByteBuffer into) {
            Arrays.fill(into.array(), (byte) 0);
            long first = from(cluster) >>> shift;
            long end = to(cluster);
            for (long at = source.nextDirty(from(cluster)); at < end; ) {
                long clean = Math.min(end, source.nextClean(at));
                for (long bit = (at >>> shift) - first; bit <= (clean - 1 >>> shift) - first; bit++) {
                    int index = (int) (bit >> 3);
                    into.put(index, (byte) (into.get(index) | 1 << (bit & 7)));
                }
                at = clean < end ? source.nextDirty(clean) : end;
            }
        }
    }
}
