package org.blktap.format.vhdx;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;

/**
 * The region table: 64 KiB, in two copies of which the first that is whole counts. [MS-VHDX] section 2.2.3.
 *
 * @param bat the BAT
 * @param metadata the metadata region
 * @param taken headers, log and all regions, in file order; they do not overlap
 */
record Regions(Region bat, Region metadata, List<Region> taken) {
    /** "regi". */
    static final int SIGNATURE = 0x69676572;

    static final long FIRST_OFFSET = 192 << 10;
    static final long SECOND_OFFSET = 256 << 10;
    static final int BYTES = 64 << 10;
    static final UUID BAT = UUID.fromString("2dc27766-f623-4200-9d64-115e9bfd4a08");
    static final UUID METADATA = UUID.fromString("8b7ca206-4790-4b9a-b8fe-575f050f886e");
    private static final int MOST_ENTRIES = 2047;
    private static final int AT_SIGNATURE = 0;
    private static final int AT_ENTRY_COUNT = 8;
    private static final int HEADER_BYTES = 16;
    // an entry
    private static final int AT_ID = 0;
    private static final int AT_FILE_OFFSET = 16;
    private static final int AT_LENGTH = 24;
    private static final int AT_REQUIRED = 28;
    private static final int ENTRY_BYTES = 32;
    private static final int REQUIRED = 1;

    /** Bytes {@code [offset, offset + length)} of the file, in multiples of 1 MiB. */
    record Region(long offset, long length) {
        long end() {
            return offset + length;
        }
    }

    static Regions read(IoFile file, VhdxHeader header) throws DiskException {
        long at = FIRST_OFFSET;
        ByteBuffer table = Layout.read(file, "first region table", at, BYTES);
        if (!isWhole(table)) {
            at = SECOND_OFFSET;
            table = Layout.read(file, "second region table", at, BYTES);
        }
        if (!isWhole(table)) {
            throw DiskException.corrupt(
                    file.path(),
                    "region tables",
                    FIRST_OFFSET,
                    "neither with its signature and checksum",
                    "one at least");
        }
        long count = Integer.toUnsignedLong(table.getInt(AT_ENTRY_COUNT));
        if (count > MOST_ENTRIES) {
            throw DiskException.corrupt(
                    file.path(), "region table field EntryCount", at + AT_ENTRY_COUNT, count, "0 to " + MOST_ENTRIES);
        }
        Region bat = null;
        Region metadata = null;
        List<Region> taken = new ArrayList<>();
        taken.add(new Region(0, Layout.MIB));
        taken.add(new Region(header.logOffset(), header.logLength()));
        Set<UUID> seen = new HashSet<>();
        for (int i = 0; i < count; i++) {
            int entry = HEADER_BYTES + i * ENTRY_BYTES;
            UUID id = Layout.guid(table, entry + AT_ID);
            Region region = region(file, table, entry, at);
            taken.add(region);
            if (!seen.add(id)) {
                throw DiskException.corrupt(
                        file.path(), "region table entry " + i, at + entry, id, "an id that no other entry has");
            }
            if (id.equals(BAT)) {
                bat = region;
            } else if (id.equals(METADATA)) {
                metadata = region;
            } else if ((table.getInt(entry + AT_REQUIRED) & REQUIRED) != 0) {
                throw new DiskException(
                        Reason.UNSUPPORTED, file.path() + ": needs the region " + id + ", which is not supported");
            }
        }
        if (bat == null || metadata == null) {
            throw DiskException.corrupt(
                    file.path(), "region table", at, "no entry of the " + (bat == null ? "BAT" : "metadata"), "one");
        }
        refuseOverlaps(file, taken);
        return new Regions(bat, metadata, List.copyOf(taken));
    }

    private static boolean isWhole(ByteBuffer table) {
        return table.getInt(AT_SIGNATURE) == SIGNATURE && table.getInt(Layout.AT_CHECKSUM) == Layout.checksum(table);
    }

    private static Region region(IoFile file, ByteBuffer table, int entry, long at) throws DiskException {
        long offset = table.getLong(entry + AT_FILE_OFFSET);
        long length = Integer.toUnsignedLong(table.getInt(entry + AT_LENGTH));
        if (offset < Layout.MIB || offset % Layout.MIB != 0 || offset >= file.size()) {
            throw DiskException.corrupt(
                    file.path(),
                    "region table field FileOffset",
                    at + entry + AT_FILE_OFFSET,
                    Long.toUnsignedString(offset),
                    "a multiple of 1 MiB inside the file of " + file.size() + " bytes");
        }
        if (length == 0 || length % Layout.MIB != 0 || length > file.size() - offset) {
            throw DiskException.corrupt(
                    file.path(),
                    "region table field Length",
                    at + entry + AT_LENGTH,
                    length,
                    "a multiple of 1 MiB that ends inside the file of " + file.size() + " bytes");
        }
        return new Region(offset, length);
    }

    private static void refuseOverlaps(IoFile file, List<Region> taken) throws DiskException {
        taken.sort(Comparator.comparingLong(Region::offset));
        for (int i = 1; i < taken.size(); i++) {
            if (taken.get(i).offset() < taken.get(i - 1).end()) {
                throw DiskException.corrupt(
                        file.path(),
                        "region",
                        taken.get(i).offset(),
                        "one that begins inside another",
                        "an offset from " + taken.get(i - 1).end() + " on");
            }
        }
    }

    /** Whether bytes of the file belong to a header, the log or a region. */
    boolean overlaps(long offset, long length) {
        // the last region that begins before the end of the bytes reaches farthest
        int low = 0;
        int high = taken.size();
        while (low < high) {
            int middle = low + high >>> 1;
            if (taken.get(middle).offset() < offset + length) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low > 0 && taken.get(low - 1).end() > offset;
    }

    /** The table of a new image. */
    static ByteBuffer bytes(Region bat, Region metadata) {
        ByteBuffer table = Layout.allocate(BYTES);
        table.putInt(AT_SIGNATURE, SIGNATURE).putInt(AT_ENTRY_COUNT, 2);
        entry(table, HEADER_BYTES, BAT, bat);
        entry(table, HEADER_BYTES + ENTRY_BYTES, METADATA, metadata);
        return table.putInt(Layout.AT_CHECKSUM, Layout.checksum(table));
    }

    private static void entry(ByteBuffer table, int at, UUID id, Region region) {
        Layout.putGuid(table, at + AT_ID, id);
        table.putLong(at + AT_FILE_OFFSET, region.offset())
                .putInt(at + AT_LENGTH, (int) region.length())
                .putInt(at + AT_REQUIRED, REQUIRED);
    }
}
