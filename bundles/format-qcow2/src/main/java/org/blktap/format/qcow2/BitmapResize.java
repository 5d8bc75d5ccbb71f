package org.blktap.format.qcow2;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.StoredBitmaps.Source;
import org.blktap.api.engine.IoFile;

/**
 * Makes the bitmaps of an image as large as its disk becomes. They are marked as in use while the disk grows; a crash
 * leaves them so. What is new is dirty in bitmaps that record writes. Blocking.
 */
final class BitmapResize {
    private static final Logger LOG = System.getLogger("org.blktap.format.qcow2");
    /** Largest bitmap that is kept: 8 TiB in bits for 64 KiB. */
    private static final long MOST_BYTES = 16 << 20;

    private static final int MOST_BITMAPS = 256;

    private final Qcow2Header header;
    private final IoFile file;
    private final BitmapDirectory directory;
    private final List<BitmapEntry> usable = new ArrayList<>();

    /** @param header before the change; the feature bit of the bitmaps is only set if their directory can be read */
    BitmapResize(Qcow2Header header, IoFile file) throws DiskException {
        this.header = header;
        this.file = file;
        BitmapDirectory found = (header.autoclear() & Qcow2Header.BITMAPS) == 0
                ? BitmapDirectory.NONE
                : BitmapDirectory.read(header, file);
        for (BitmapEntry each : found.entries()) {
            if (!each.has(BitmapEntry.IN_USE) && usable.size() < MOST_BITMAPS && canBeKept(each)) {
                usable.add(each);
            }
        }
        try {
            directory = Qcow2Bitmaps.mark(file, found, each -> !each.has(BitmapEntry.IN_USE));
        } catch (IOException e) {
            throw DiskException.io(file.path(), "mark the bitmaps as in use", e);
        }
    }

    private boolean canBeKept(BitmapEntry entry) {
        try {
            BitmapDirectory.checkUsable(entry, header, file);
        } catch (DiskException e) {
            LOG.log(Level.WARNING, e.getMessage());
            return false;
        }
        boolean small = (long) entry.tableEntries() * header.clusterSize() <= MOST_BYTES;
        if (!small) {
            LOG.log(
                    Level.WARNING,
                    file.path() + ": bitmap " + entry.name() + " has more than " + MOST_BYTES
                            + " bytes, and is not valid any more when the disk has grown");
        }
        return small;
    }

    /** Stores the bitmaps for the size that the header has now. */
    void finish(IoFile now) throws DiskException {
        if (usable.isEmpty()) {
            return;
        }
        Qcow2Header grown = Qcow2Header.read(now);
        List<Source> all = new ArrayList<>();
        for (BitmapEntry each : usable) {
            all.add(Grown.of(header, now, each, grown.size()));
        }
        Set<String> names = usable.stream().map(BitmapEntry::name).collect(Collectors.toSet());
        List<BitmapEntry> kept = directory.entries().stream()
                .filter(each -> !names.contains(each.name()))
                .toList();
        new BitmapWriter(now, new Refcounts(grown, now), directory).write(kept, all, usable);
    }

    /** A bitmap of a disk that has grown. */
    private record Grown(String name, int shift, boolean recording, BitSet bits, long diskBytes) implements Source {
        static Grown of(Qcow2Header before, IoFile file, BitmapEntry entry, long diskBytes) throws DiskException {
            int shift = entry.granularityBits();
            BitSet bits = new BitSet();
            new BitmapReader(before, file, entry)
                    .read((offset, length) ->
                            bits.set((int) (offset >>> shift), (int) (offset + length - 1 >>> shift) + 1));
            boolean records = entry.has(BitmapEntry.AUTO);
            if (records && diskBytes > before.size()) {
                bits.set((int) (before.size() >>> shift), (int) (diskBytes - 1 >>> shift) + 1);
            }
            return new Grown(entry.name(), shift, records, bits, diskBytes);
        }

        @Override
        public long granularity() {
            return 1L << shift;
        }

        @Override
        public boolean stale() {
            return false;
        }

        @Override
        public long nextDirty(long from) {
            int bit = bits.nextSetBit((int) (from >>> shift));
            return bit < 0 ? diskBytes : Math.min(diskBytes, Math.max(from, (long) bit << shift));
        }

        @Override
        public long nextClean(long from) {
            return Math.min(diskBytes, Math.max(from, (long) bits.nextClearBit((int) (from >>> shift)) << shift));
        }
    }
}
