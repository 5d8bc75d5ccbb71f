package org.blktap.format.vmdk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.Holes;
import org.blktap.image.UseWindow;

/**
 * Reads all grain tables of an extent and finds entries that lead nowhere, tables and grains that are used twice, and
 * redundant tables that differ from the primary ones.
 *
 * <p>Takes 16 MiB of memory, the directories, and a bit for each grain table. The directories, and then the tables, are
 * read once for each 64 GiB of the file; a table that two entries of a directory point at is read for the first only.
 */
final class SparseCheck implements AutoCloseable {
    /** Slots whose windows are remembered: 8 MiB. */
    private static final int MOST_REMEMBERED = 1 << 22;
    /** Tables with data that are read before the next search for a hole. */
    private static final int ASK_EVERY = 64;

    private final GrainLayout layout;
    private final IoFile file;
    private final List<String> problems;
    private final Holes holes;
    private final GrainDirectory gd;
    /** The redundant grain directory, or null. */
    private final GrainDirectory rgd;

    private final ByteBuffer table;
    private final ByteBuffer twin;
    private final int slots;
    /** End of the sectors that have numbers. */
    private final long end;
    /** Slots whose table or redundant table has an invalid offset. */
    private final BitSet badTables = new BitSet();

    private final BitSet badTwins = new BitSet();
    /**
     * For each slot, the first and the last window in which its grains lie, from the first pass; null where there are
     * too many slots.
     */
    private final byte[] firstWindow;

    private final byte[] lastWindow;
    private boolean inHole = true;
    private UseWindow window;
    private long usedEnd;
    private long grains;
    private long leaked;
    private long behind;

    /** @param problems to add to, up to {@link VmdkCheck#MOST_PROBLEMS} */
    SparseCheck(GrainLayout layout, IoFile file, IoLoop loop, NativeMemory memory, List<String> problems)
            throws DiskException {
        this.layout = layout;
        this.file = file;
        this.problems = problems;
        holes = new Holes(file, loop);
        slots = (int) layout.directoryEntries();
        gd = new GrainDirectory(file, layout.gdOffset(), slots, GrainLayout.ENTRY_BYTES, memory);
        try (CloseOnFailure opened = new CloseOnFailure(gd::close)) {
            rgd = layout.rgdOffset() == 0
                    ? null
                    : new GrainDirectory(file, layout.rgdOffset(), slots, GrainLayout.ENTRY_BYTES, memory);
            opened.keep();
        }
        table = ByteBuffer.allocate(layout.tableBytes()).order(ByteOrder.LITTLE_ENDIAN);
        twin = ByteBuffer.allocate(layout.tableBytes()).order(ByteOrder.LITTLE_ENDIAN);
        firstWindow = slots > MOST_REMEMBERED ? null : new byte[slots];
        lastWindow = slots > MOST_REMEMBERED ? null : new byte[slots];
        end = Math.min(file.size(), GrainLayout.LARGEST_FILE);
    }

    void run() throws IOException {
        usedEnd = Math.max(
                layout.firstGrain(), Math.max(layout.gdOffset(), layout.rgdOffset()) + layout.directoryBytes());
        window = new UseWindow(SECTOR, end);
        while (window.next() && !enough()) {
            claimHeaders();
            tables();
        }
        window = new UseWindow(SECTOR, end);
        while (window.next() && !enough()) {
            claimHeaders();
            claimTables();
            if (!layout.compressed()) {
                // the space before the first grain belongs to the tables; tables elsewhere are reported on their own
                window.claim(0, layout.firstGrain());
            }
            for (int slot = 0; slot < slots && !enough(); slot++) {
                slot(slot);
            }
        }
        if (!layout.compressed() && !enough()) {
            leaked = Math.max(0, end - window.markedBytes()) / layout.grainBytes();
        }
    }

    private boolean enough() {
        return problems.size() >= VmdkCheck.MOST_PROBLEMS;
    }

    private void claimHeaders() {
        window.claim(0, layout.firstTable());
        window.claim(layout.gdOffset(), layout.directoryBytes());
        if (rgd != null) {
            window.claim(layout.rgdOffset(), layout.directoryBytes());
        }
    }

    /** Finds the tables that have an invalid offset or overlap another. */
    private void tables() throws IOException {
        for (int slot = 0; slot < slots && !enough(); slot++) {
            stopIfInterrupted();
            if (gd.get(slot) != 0 && !isTable("grain directory entry ", layout.gdOffset(), slot, gd.get(slot))) {
                badTables.set(slot);
            }
            if (rgd != null
                    && rgd.get(slot) != 0
                    && !isTable("redundant grain directory entry ", layout.rgdOffset(), slot, rgd.get(slot))) {
                badTwins.set(slot);
            }
        }
    }

    private void stopIfInterrupted() throws IOException {
        if (Thread.currentThread().isInterrupted()) {
            throw new IOException("the check was interrupted");
        }
    }

    private boolean isTable(String structure, long directory, int slot, long offset) {
        if (offset < layout.firstTable() || offset >= file.size()) {
            if (window.isFirst()) {
                problem(
                        structure + slot,
                        directory + slot * (long) GrainLayout.ENTRY_BYTES,
                        offset / SECTOR,
                        "a sector after the header, inside the file of " + file.size() + " bytes");
            }
            return false;
        }
        usedEnd = Math.max(usedEnd, offset + layout.tableBytes());
        if (window.claim(offset, layout.tableBytes())) {
            return true;
        }
        problem(
                structure + slot,
                directory + slot * (long) GrainLayout.ENTRY_BYTES,
                offset / SECTOR,
                "a sector that nothing else uses");
        return false;
    }

    private void claimTables() throws IOException {
        for (int slot = 0; slot < slots; slot++) {
            if (gd.get(slot) != 0 && !badTables.get(slot)) {
                window.claim(gd.get(slot), layout.tableBytes());
            }
            if (hasTwin(slot)) {
                window.claim(rgd.get(slot), layout.tableBytes());
            }
        }
    }

    private boolean hasTwin(int slot) throws IOException {
        return rgd != null && rgd.get(slot) != 0 && !badTwins.get(slot);
    }

    private void slot(int slot) throws IOException {
        stopIfInterrupted();
        long at = gd.get(slot);
        if (at == 0 || badTables.get(slot) || isElsewhere(slot)) {
            return;
        }
        boolean both = hasTwin(slot);
        if (inHole || slot % ASK_EVERY == 0) {
            inHole = holes.contains(at, layout.tableBytes())
                    && (!both || holes.contains(rgd.get(slot), layout.tableBytes()));
            if (inHole) {
                noGrains(slot);
                return;
            }
        }
        if (window.isFirst()) {
            noGrains(slot);
        }
        file.readFully(table.clear(), at);
        table.flip();
        for (int i = 0; i < layout.tableEntries() && !enough(); i++) {
            long entry = Integer.toUnsignedLong(table.getInt(i * GrainLayout.ENTRY_BYTES));
            if (entry != 0 && (entry != GrainLayout.ZEROED || !layout.zeroedGrains())) {
                entry(slot, i, at, entry);
            }
        }
        if (both && window.isFirst()) {
            compare(slot, rgd.get(slot));
        }
    }

    private boolean isElsewhere(int slot) {
        return firstWindow != null
                && !window.isFirst()
                && (window.number() < firstWindow[slot] || window.number() > lastWindow[slot]);
    }

    private void noGrains(int slot) {
        if (firstWindow != null) {
            firstWindow[slot] = Byte.MAX_VALUE;
            lastWindow[slot] = -1;
        }
    }

    private void remember(int slot, int first, int last) {
        if (firstWindow != null) {
            firstWindow[slot] = (byte) Math.min(firstWindow[slot], first);
            lastWindow[slot] = (byte) Math.max(lastWindow[slot], last);
        }
    }

    private void entry(int slot, int i, long tableOffset, long entry) throws IOException {
        long offset = entry * SECTOR;
        long at = tableOffset + i * (long) GrainLayout.ENTRY_BYTES;
        int most = layout.compressed() ? layout.markerBytes() + layout.mostCompressed() : layout.grainBytes();
        if (window.isFirst()) {
            grains++;
            remember(slot, window.number(offset), window.number(offset + most - 1));
            if (!layout.compressed() && offset < layout.firstGrain()) {
                problem(name(slot, i), at, entry, "a sector after the tables, from " + layout.firstGrain() / SECTOR);
            } else if (offset >= file.size()) {
                problem(name(slot, i), at, entry, "a sector inside the file of " + file.size() + " bytes");
            }
        }
        if (offset >= file.size()
                || !layout.compressed() && offset < layout.firstGrain()
                || !window.touches(offset, most)) {
            return;
        }
        long length = layout.compressed() ? compressed(slot, i, offset) : layout.grainBytes();
        usedEnd = Math.max(usedEnd, offset + length);
        if (length > 0 && !window.claim(offset, length)) {
            problem(name(slot, i), at, entry, "a sector that nothing else uses");
        }
    }

    private static String name(int slot, int entry) {
        return "grain table entry " + entry + " of slot " + slot;
    }

    /** Bytes that a compressed grain takes, with its marker; 0 with a problem if the marker is wrong. */
    private long compressed(int slot, int index, long offset) throws IOException {
        if (layout.markerBytes() == 0) {
            return 1;
        }
        ByteBuffer marker = ByteBuffer.allocate(layout.markerBytes()).order(ByteOrder.LITTLE_ENDIAN);
        file.readFully(marker, offset);
        long lba = (((long) slot << layout.tableBits()) + index << layout.grainBits()) / SECTOR;
        long size = Integer.toUnsignedLong(marker.getInt(SparseHeader.AT_MARKER_SIZE));
        if (marker.getLong(SparseHeader.AT_MARKER_VALUE) == lba && size > 0 && size <= layout.mostCompressed()) {
            return layout.markerBytes() + size;
        }
        if (window.touches(offset, 1)) {
            problems.add(DiskException.corrupt(
                            file.path(),
                            "grain marker",
                            offset,
                            "lba " + marker.getLong(SparseHeader.AT_MARKER_VALUE) + ", size " + size,
                            "lba " + lba + ", size 1 to " + layout.mostCompressed())
                    .getMessage());
        }
        return 0;
    }

    /**
     * Compares the table that has just been read with its redundant twin: an entry missing there is a leftover, a
     * different one an error.
     */
    private void compare(int slot, long offset) throws IOException {
        file.readFully(twin.clear(), offset);
        twin.flip();
        for (int i = 0; i < layout.tableEntries() && !enough(); i++) {
            long first = Integer.toUnsignedLong(table.getInt(i * GrainLayout.ENTRY_BYTES));
            long second = Integer.toUnsignedLong(twin.getInt(i * GrainLayout.ENTRY_BYTES));
            if (first != second && first > GrainLayout.ZEROED && second > GrainLayout.ZEROED) {
                problem(
                        "redundant grain table entry " + i + " of slot " + slot,
                        offset + i * (long) GrainLayout.ENTRY_BYTES,
                        second,
                        "as in the grain table, " + first);
            }
        }
        behind += twin.equals(table) ? 0 : 1;
    }

    private void problem(String structure, long at, long found, String expected) {
        if (!enough()) {
            problems.add(DiskException.corrupt(file.path(), structure, at, String.format("0x%x", found), expected)
                    .getMessage());
        }
    }

    GrainDirectory gd() {
        return gd;
    }

    /** The redundant grain directory, or null. */
    GrainDirectory rgd() {
        return rgd;
    }

    /** Grains in use. */
    long grains() {
        return grains;
    }

    /** Grains that would fit into space that nothing uses. */
    long leaked() {
        return leaked;
    }

    /** How many redundant tables differ from their primary ones. */
    long behind() {
        return behind;
    }

    /** The end of the used space of the file, in bytes. */
    long usedEnd() {
        return usedEnd;
    }

    @Override
    public void close() {
        gd.close();
        if (rgd != null) {
            rgd.close();
        }
    }
}
