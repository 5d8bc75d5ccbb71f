package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Changes items of the metadata of an image, all at once or none. A new item goes to free room of the region, where
 * nothing refers to it; then one entry of the log changes the table. The image has been read, so its table is valid.
 * [MS-VHDX] section 2.6.1. Blocking.
 */
final class MetadataEdit {
    private final IoFile file;
    private final Regions.Region region;
    private final ByteBuffer before;
    private final ByteBuffer table;
    private final Map<Long, ByteBuffer> changes = new TreeMap<>();

    MetadataEdit(IoFile file, Regions.Region region) throws IOException {
        this.file = file;
        this.region = region;
        before = Layout.allocate(VhdxMetadata.TABLE_BYTES);
        file.readFully(before, region.offset());
        before.clear();
        table = Layout.allocate(VhdxMetadata.TABLE_BYTES);
        table.put(before.duplicate()).clear();
    }

    private int count() {
        return Short.toUnsignedInt(table.getShort(VhdxMetadata.AT_ENTRY_COUNT));
    }

    private static int entry(int number) {
        return VhdxMetadata.HEADER_BYTES + number * VhdxMetadata.ENTRY_BYTES;
    }

    /** Returns the number of an item, or -1. */
    private int find(UUID id, int flags) {
        for (int i = 0; i < count(); i++) {
            if (Layout.guid(table, entry(i) + VhdxMetadata.AT_ITEM_ID).equals(id)
                    && ((table.getInt(entry(i) + VhdxMetadata.AT_ENTRY_FLAGS) ^ flags) & VhdxMetadata.IS_USER) == 0) {
                return i;
            }
        }
        return -1;
    }

    /** Adds an item or replaces it. */
    void put(UUID id, int flags, ByteBuffer item) throws IOException {
        int bytes = item.limit();
        long at = freeRoom(bytes);
        ByteBuffer sectors = Layout.allocate(Alignment.units(bytes, Layout.SECTOR) * Layout.SECTOR);
        sectors.put(item.duplicate().clear()).clear();
        file.writeFully(sectors, region.offset() + at);
        file.flushNow();
        int number = find(id, flags);
        if (number < 0) {
            number = count();
            if (entry(number) == VhdxMetadata.TABLE_BYTES) {
                throw new IOException("the metadata table is full");
            }
            table.putShort(VhdxMetadata.AT_ENTRY_COUNT, (short) (number + 1));
        }
        Layout.putGuid(table, entry(number) + VhdxMetadata.AT_ITEM_ID, id);
        table.putInt(entry(number) + VhdxMetadata.AT_OFFSET, (int) at)
                .putInt(entry(number) + VhdxMetadata.AT_LENGTH, bytes)
                .putInt(entry(number) + VhdxMetadata.AT_ENTRY_FLAGS, flags);
    }

    /** Finds whole sectors that no item uses, also not one that is being replaced. */
    private long freeRoom(int bytes) throws IOException {
        long at = VhdxMetadata.TABLE_BYTES;
        long end = 0;
        while (at != end) {
            end = at;
            for (int i = 0; i < count(); i++) {
                long from = Integer.toUnsignedLong(table.getInt(entry(i) + VhdxMetadata.AT_OFFSET));
                long to = from + Integer.toUnsignedLong(table.getInt(entry(i) + VhdxMetadata.AT_LENGTH));
                if (from < at + Alignment.up(bytes, Layout.SECTOR) && at < to) {
                    at = Alignment.up(to, Layout.SECTOR);
                }
            }
        }
        if (at + Alignment.up(bytes, Layout.SECTOR) > region.length()) {
            throw new IOException("the metadata region has no room for an item of " + bytes + " bytes");
        }
        return at;
    }

    /** Removes an item, if there is one. */
    void remove(UUID id, int flags) {
        int number = find(id, flags);
        if (number >= 0) {
            int last = count() - 1;
            table.put(entry(number), table.duplicate(), entry(last), VhdxMetadata.ENTRY_BYTES);
            table.put(entry(last), new byte[VhdxMetadata.ENTRY_BYTES]);
            table.putShort(VhdxMetadata.AT_ENTRY_COUNT, (short) last);
        }
    }

    /** Changes a 32-bit field of the file. */
    void putInt(long at, int value) throws IOException {
        field(at, Integer.BYTES).putInt((int) (at % Layout.SECTOR), value);
    }

    /** Changes a 64-bit field of the file. */
    void putLong(long at, long value) throws IOException {
        field(at, Long.BYTES).putLong((int) (at % Layout.SECTOR), value);
    }

    private ByteBuffer field(long at, int bytes) throws IOException {
        long from = Alignment.down(at, Layout.SECTOR);
        int length = (int) (Alignment.up(at + bytes, Layout.SECTOR) - from);
        ByteBuffer sectors = changes.get(from);
        if (sectors == null) {
            sectors = Layout.allocate(length);
            file.readFully(sectors, from);
            changes.put(from, sectors.clear());
        }
        return sectors;
    }

    /** Writes the changes; the log has begun. */
    void apply(LogWriter log, long lastFileOffset) throws IOException {
        for (int at = 0; at < VhdxMetadata.TABLE_BYTES; at += Layout.SECTOR) {
            if (!Arrays.equals(before.array(), at, at + Layout.SECTOR, table.array(), at, at + Layout.SECTOR)) {
                changes.put(region.offset() + at, table.slice(at, Layout.SECTOR).order(table.order()));
            }
        }
        if (!changes.isEmpty()) {
            log.writeNow(changes, lastFileOffset);
        }
    }
}
