package org.blktap.format.vmdk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.image.Holes;
import org.blktap.image.UsedRanges;

/**
 * Reads all grain tables and finds entries that lead nowhere, grains in use twice, and redundant tables that say otherwise. One that only has not
 * got an entry yet is what a crash leaves, and no problem; a repair makes it equal.
 */
final class VmdkCheck {
    private static final int MOST_PROBLEMS = 100;
    private static final int SECTOR = GrainLayout.SECTOR;

    private final VmdkImage image;
    private final boolean repair;
    private final IoLoop loop;
    private final List<String> problems = new ArrayList<>();
    private final List<Mend> mends = new ArrayList<>();
    private long grains;
    private long leaked;

    VmdkCheck(VmdkImage image, boolean repair, IoLoop loop) {
        this.image = image;
        this.repair = repair;
        this.loop = loop;
    }

    CheckReport run() throws DiskException {
        for (VmdkImage.Part part : image.parts()) {
            try {
                if (part.grains() != null) {
                    new SparseCheck(part).run();
                } else if (part.seSparse() != null) {
                    throw new DiskException(Reason.UNSUPPORTED, part.file().path() + ": seSparse extents are not checked");
                }
            } catch (UsedRanges.TooScattered e) {
                throw new DiskException(Reason.UNSUPPORTED, part.file().path() + ": " + e.getMessage(), e);
            } catch (IOException e) {
                throw DiskException.io(part.file().path(), "read or repair the tables", e);
            }
        }
        if (problems.isEmpty()) {
            mend();
        }
        return new CheckReport(grains, leaked, problems);
    }

    /** A redundant table that becomes as the primary one; not before it is sure that nothing else is at its place. */
    private record Mend(IoFile file, long from, long to, int bytes) {
    }

    private void mend() throws DiskException {
        for (Mend each : mends) {
            try {
                ByteBuffer table = ByteBuffer.allocate(each.bytes());
                each.file().readFully(table, each.from());
                each.file().writeFully(table.flip(), each.to());
                each.file().flushNow();
            } catch (IOException e) {
                throw DiskException.io(each.file().path(), "repair the redundant tables", e);
            }
        }
    }

    /** One extent. */
    private final class SparseCheck {
        private final GrainLayout layout;
        private final IoFile file;
        private final UsedRanges used = new UsedRanges(SECTOR);
        private final Holes holes;
        private final ByteBuffer table;
        private final ByteBuffer twin;

        SparseCheck(VmdkImage.Part part) {
            layout = part.grains();
            file = part.file();
            holes = new Holes(file, loop);
            table = ByteBuffer.allocate(layout.tableBytes()).order(ByteOrder.LITTLE_ENDIAN);
            twin = ByteBuffer.allocate(layout.tableBytes()).order(ByteOrder.LITTLE_ENDIAN);
        }

        void run() throws IOException {
            used.add(0, layout.firstTable());
            used.add(layout.gdOffset(), layout.directoryBytes());
            ByteBuffer gd = directory(layout.gdOffset());
            ByteBuffer rgd = layout.rgdOffset() == 0 ? null : directory(layout.rgdOffset());
            if (rgd != null) {
                used.add(layout.rgdOffset(), layout.directoryBytes());
            }
            for (int slot = 0; slot < layout.directoryEntries() && problems.size() < MOST_PROBLEMS; slot++) {
                long at = unsigned(gd, slot) * SECTOR;
                long other = rgd == null ? 0 : unsigned(rgd, slot) * SECTOR;
                boolean found = at != 0 && claimTable("grain directory entry " + slot, layout.gdOffset() + slot * 4L, at);
                boolean both = other != 0 && claimTable("redundant grain directory entry " + slot, layout.rgdOffset() + slot * 4L, other) && found;
                if (found && !(holes.contains(at, layout.tableBytes()) && (!both || holes.contains(other, layout.tableBytes())))) {
                    file.readFully(table.clear(), at);
                    entries(table.flip(), slot, at);
                    if (both) {
                        compare(slot, at, other);
                    }
                }
            }
            if (!layout.compressed()) {
                // what is before the first grain is the tables' own
                used.add(0, Math.min(layout.firstGrain(), file.size()));
                leaked += Math.max(0, file.size() - used.bytesBelow(file.size())) / layout.grainBytes();
            }
        }

        private ByteBuffer directory(long offset) throws IOException {
            ByteBuffer bytes = ByteBuffer.allocate((int) layout.directoryBytes()).order(ByteOrder.LITTLE_ENDIAN);
            file.readFully(bytes, offset);
            return bytes.flip();
        }

        private void entries(ByteBuffer bytes, int slot, long tableOffset) throws IOException {
            for (int i = 0; i < layout.tableEntries() && problems.size() < MOST_PROBLEMS; i++) {
                long entry = unsigned(bytes, i);
                if (entry == 0 || entry == GrainLayout.ZEROED && layout.zeroedGrains()) {
                    continue;
                }
                grains++;
                String structure = "grain table entry " + i + " of slot " + slot;
                long at = tableOffset + i * 4L;
                if (layout.compressed()) {
                    compressed(structure, at, entry, slot, i);
                } else if (entry * SECTOR < layout.firstGrain()) {
                    problem(structure, at, entry, "a sector behind the tables, from " + layout.firstGrain() / SECTOR);
                } else {
                    claim(structure, at, entry * SECTOR, layout.grainBytes());
                }
            }
        }

        private void compressed(String structure, long at, long entry, int slot, int index) throws IOException {
            if (layout.markerBytes() == 0) {
                claim(structure, at, entry * SECTOR, 1);
                return;
            }
            ByteBuffer marker = ByteBuffer.allocate(layout.markerBytes()).order(ByteOrder.LITTLE_ENDIAN);
            file.readFully(marker, entry * SECTOR);
            long lba = (((long) slot << layout.tableBits()) + index << layout.grainBits()) / SECTOR;
            long size = Integer.toUnsignedLong(marker.getInt(8));
            if (marker.getLong(0) != lba || size == 0 || size > layout.mostCompressed()) {
                problems.add(DiskException.corrupt(file.path(), "grain marker", entry * SECTOR, "lba " + marker.getLong(0) + ", size " + size,
                        "lba " + lba + ", size 1 to " + layout.mostCompressed()).getMessage());
            } else {
                claim(structure, at, entry * SECTOR, layout.markerBytes() + size);
            }
        }

        /** The twin of the table that has just been read. */
        private void compare(int slot, long at, long other) throws IOException {
            file.readFully(twin.clear(), other);
            twin.flip();
            for (int i = 0; i < layout.tableEntries() && problems.size() < MOST_PROBLEMS; i++) {
                long first = unsigned(table, i);
                long second = unsigned(twin, i);
                if (first != second && first > GrainLayout.ZEROED && second > GrainLayout.ZEROED) {
                    problem("redundant grain table entry " + i + " of slot " + slot, other + i * 4L, second, "as in the grain table, " + first);
                }
            }
            if (repair && !twin.equals(table)) {
                mends.add(new Mend(file, at, other, layout.tableBytes()));
            }
        }

        private long unsigned(ByteBuffer bytes, int index) {
            return Integer.toUnsignedLong(bytes.getInt(index * 4));
        }

        private boolean claimTable(String structure, long at, long offset) {
            if (offset < layout.firstTable()) {
                problem(structure, at, offset / SECTOR, "a sector behind the header");
                return false;
            }
            return claim(structure, at, offset, layout.tableBytes());
        }

        /** Marks a table or grain as used; false, with a problem noted, if it may not be there. */
        private boolean claim(String structure, long at, long offset, long length) {
            if (offset >= file.size()) {
                problem(structure, at, offset / SECTOR, "a sector inside the file of " + file.size() + " bytes");
                return false;
            }
            if (used.overlaps(offset, length)) {
                problem(structure, at, offset / SECTOR, "a sector that nothing else uses");
                return false;
            }
            used.add(offset, length);
            return true;
        }

        private void problem(String structure, long at, long found, String expected) {
            problems.add(DiskException.corrupt(file.path(), structure, at, String.format("0x%x", found), expected).getMessage());
        }
    }
}
