package org.blktap.format.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.blktap.image.Interruption;

/**
 * The bitmap directory: qcow2.txt, "Bitmaps extension" and "Bitmap directory". What an entry says of its bitmap is not
 * checked before the bitmap is read.
 *
 * @param offset in the file
 * @param bytes as the header says
 */
record BitmapDirectory(long offset, int bytes, List<BitmapEntry> entries) {
    // the header extension
    static final int AT_COUNT = 0;
    static final int AT_RESERVED = 4;
    static final int AT_DIRECTORY_BYTES = 8;
    static final int AT_DIRECTORY = 16;
    static final int EXTENSION_BYTES = 24;

    static final BitmapDirectory NONE = new BitmapDirectory(0, 0, List.of());

    /** QEMU's limit. */
    static final int MAX_BITMAPS = 65535;
    /** Largest directory that is read: thousands of bitmaps with names as programs give them. */
    static final int MAX_BYTES = 4 << 20;

    /** The header extension for a directory. */
    byte[] extension() {
        return ByteBuffer.allocate(EXTENSION_BYTES)
                .putInt(AT_COUNT, entries.size())
                .putLong(AT_DIRECTORY_BYTES, bytes)
                .putLong(AT_DIRECTORY, offset)
                .array();
    }

    /** The entry of a name, or null. */
    BitmapEntry find(String name) {
        return entries.stream()
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElse(null);
    }

    /**
     * Reads the directory of an image whose bitmaps are valid, as the header says.
     *
     * @throws DiskException CORRUPT, if none of it can be relied on
     */
    static BitmapDirectory read(Qcow2Header header, IoFile file) throws DiskException {
        byte[] extension = header.extensions().get(Qcow2Header.EXT_BITMAPS);
        if (extension == null || extension.length != EXTENSION_BYTES) {
            throw DiskException.corrupt(
                    file.path(),
                    "header extension bitmaps",
                    header.length(),
                    extension == null ? "none" : extension.length + " bytes",
                    EXTENSION_BYTES + " bytes, as autoclear feature bit 0 is set");
        }
        ByteBuffer e = ByteBuffer.wrap(extension);
        long count = Integer.toUnsignedLong(e.getInt(AT_COUNT));
        long bytes = e.getLong(AT_DIRECTORY_BYTES);
        long offset = e.getLong(AT_DIRECTORY);
        check(
                file,
                "number of bitmaps",
                header.length(),
                count,
                count >= 1 && count <= MAX_BITMAPS,
                "1 to " + MAX_BITMAPS);
        check(
                file,
                "reserved field of the bitmaps extension",
                header.length(),
                e.getInt(AT_RESERVED),
                e.getInt(AT_RESERVED) == 0,
                "0");
        check(
                file,
                "size of the bitmap directory",
                header.length(),
                bytes,
                bytes >= 0 && bytes <= MAX_BYTES,
                "at most " + MAX_BYTES);
        check(
                file,
                "offset of the bitmap directory",
                header.length(),
                offset,
                isTable(header, file, offset, bytes),
                "a cluster of its own inside the file of " + file.size() + " bytes");
        ByteBuffer all = ByteBuffer.allocate((int) bytes);
        try {
            file.readFully(all, offset);
        } catch (IOException failure) {
            throw DiskException.io(file.path(), "read the bitmap directory", failure);
        }
        return new BitmapDirectory(offset, (int) bytes, entries(file, offset, all.clear(), (int) count));
    }

    /** Whether a table lies in the file, and on none of the tables that have their place in the header. */
    static boolean isTable(Qcow2Header header, IoFile file, long offset, long bytes) {
        return offset >= header.clusterSize()
                && Alignment.isAligned(offset, header.clusterSize())
                && offset <= file.size() - bytes
                && !overlaps(offset, bytes, header.l1Offset(), header.l1Entries() * (long) Qcow2Entry.L1_BYTES)
                && !overlaps(
                        offset,
                        bytes,
                        header.refcountTableOffset(),
                        (long) header.refcountTableClusters() * header.clusterSize());
    }

    private static boolean overlaps(long offset, long bytes, long other, long otherBytes) {
        return offset < other + otherBytes && other < offset + bytes;
    }

    private static List<BitmapEntry> entries(IoFile file, long offset, ByteBuffer all, int count) throws DiskException {
        List<BitmapEntry> entries = new ArrayList<>();
        Set<String> names = new HashSet<>();
        int at = 0;
        for (int i = 0; i < count; i++) {
            Interruption.check(file.path());
            String which = "bitmap directory entry " + i;
            boolean fits = at + BitmapEntry.FIXED <= all.limit();
            long extra = fits ? Integer.toUnsignedLong(all.getInt(at + BitmapEntry.AT_EXTRA_BYTES)) : 0;
            int name = fits ? Short.toUnsignedInt(all.getShort(at + BitmapEntry.AT_NAME_BYTES)) : 0;
            // neither sum overflows: extra has 32 bits
            long end = Alignment.up(at + BitmapEntry.FIXED + extra + name, Long.BYTES);
            check(
                    file,
                    which,
                    offset + at,
                    end,
                    fits && end <= all.limit(),
                    "an entry that ends in the directory of " + all.limit() + " bytes");
            check(
                    file,
                    which + ", size of its name",
                    offset + at + BitmapEntry.AT_NAME_BYTES,
                    name,
                    name >= 1 && name <= BitmapEntry.MAX_NAME,
                    "1 to " + BitmapEntry.MAX_NAME);
            byte[] extraBytes = new byte[(int) extra];
            all.get(at + BitmapEntry.FIXED, extraBytes);
            BitmapEntry entry = new BitmapEntry(
                    offset + at,
                    all.getLong(at + BitmapEntry.AT_TABLE),
                    all.getInt(at + BitmapEntry.AT_TABLE_ENTRIES),
                    all.getInt(at + BitmapEntry.AT_FLAGS),
                    Byte.toUnsignedInt(all.get(at + BitmapEntry.AT_TYPE)),
                    Byte.toUnsignedInt(all.get(at + BitmapEntry.AT_GRANULARITY)),
                    extraBytes,
                    FileNames.text(all.slice(at + BitmapEntry.FIXED + (int) extra, name)));
            check(
                    file,
                    which + ", flags",
                    offset + at + BitmapEntry.AT_FLAGS,
                    String.format("0x%x", entry.flags()),
                    (entry.flags() & ~BitmapEntry.KNOWN_FLAGS) == 0,
                    "only bits 0 to 2");
            check(
                    file,
                    which + ", name",
                    offset + at + BitmapEntry.FIXED + extra,
                    entry.name(),
                    names.add(entry.name()),
                    "a name that no other bitmap has");
            entries.add(entry);
            at = (int) end;
        }
        check(file, "bitmap directory", offset, at, at == all.limit(), all.limit() + " bytes, as the header says");
        return entries;
    }

    private static void check(IoFile file, String structure, long at, Object found, boolean right, Object expected)
            throws DiskException {
        if (!right) {
            throw DiskException.corrupt(file.path(), structure, at, found, expected);
        }
    }

    /**
     * Checks what an entry says of its bitmap.
     *
     * @throws DiskException CORRUPT or UNSUPPORTED: its bits cannot be used
     */
    static void checkUsable(BitmapEntry entry, Qcow2Header header, IoFile file) throws DiskException {
        String which = "bitmap " + entry.name();
        check(
                file,
                which + ", type",
                entry.at() + BitmapEntry.AT_TYPE,
                entry.type(),
                entry.type() == BitmapEntry.DIRTY_TRACKING,
                "1 (dirty tracking)");
        check(
                file,
                which + ", granularity",
                entry.at() + BitmapEntry.AT_GRANULARITY,
                "2 to the power of " + entry.granularityBits(),
                entry.granularityBits() >= BitmapEntry.MIN_GRANULARITY_BITS
                        && entry.granularityBits() <= BitmapEntry.MAX_GRANULARITY_BITS,
                "of " + BitmapEntry.MIN_GRANULARITY_BITS + " to " + BitmapEntry.MAX_GRANULARITY_BITS);
        check(
                file,
                which + ", extra data",
                entry.at() + BitmapEntry.AT_EXTRA_BYTES,
                entry.extra().length + " bytes",
                entry.extra().length == 0 || entry.has(BitmapEntry.EXTRA_COMPATIBLE),
                "none, as flag 2 (extra_data_compatible) is clear");
        int clusters = BitmapEntry.clusters(header.size(), entry.granularityBits(), header.clusterSize());
        check(
                file,
                which + ", size of its table",
                entry.at() + BitmapEntry.AT_TABLE_ENTRIES,
                Integer.toUnsignedString(entry.tableEntries()),
                entry.tableEntries() == clusters,
                clusters < 0
                        ? "a bitmap of at most " + BitmapEntry.MAX_BITMAP_BYTES + " bytes"
                        : clusters + ", for a disk of " + header.size() + " bytes");
        check(
                file,
                which + ", offset of its table",
                entry.at() + BitmapEntry.AT_TABLE,
                String.format("0x%x", entry.tableOffset()),
                isTable(header, file, entry.tableOffset(), entry.tableEntries() * (long) BitmapEntry.TABLE_ENTRY_BYTES),
                "a cluster of its own inside the file of " + file.size() + " bytes");
    }
}
