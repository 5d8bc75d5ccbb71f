package org.blktap.image;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * Remembers entries that pointed past the end of the file when their table was first loaded, as in a truncated image.
 * They stay invalid when the file grows: new clusters there belong to other entries. Memory is bounded: if there are
 * too many such entries, whole tables become invalid. Loop only.
 */
public final class PastEnd {
    /** Most bytes of memory for notes about tables with such entries. */
    private static final long MOST_BYTES = 8 << 20;
    /** Bytes that the note of a table takes besides its bits. */
    private static final int NOTE_BYTES = 128;

    private final long openEnd;
    private final BitSet seen = new BitSet();
    private final Map<Integer, BitSet> stale = new HashMap<>();
    private final BitSet lost = new BitSet();
    private long bytes;

    /** How a format reads an entry. */
    @FunctionalInterface
    public interface Entries {
        /** The offset in the file that entry {@code i} points at, or 0. */
        long offset(int i);
    }

    /** @param openEnd the end of the file's contents when it was opened */
    public PastEnd(long openEnd) {
        this.openEnd = openEnd;
    }

    /** Whether a table has been searched. */
    public boolean hasSeen(int table) {
        return seen.get(table);
    }

    /**
     * Searches a table for such entries when it is first loaded. Tables that this disk makes are reported by
     * {@link #made} instead.
     */
    public void look(int table, int count, Entries entries) {
        seen.set(table);
        BitSet found = null;
        for (int i = 0; i < count; i++) {
            if (entries.offset(i) >= openEnd) {
                if (found == null) {
                    bytes += NOTE_BYTES + (count >> 3);
                    if (bytes > MOST_BYTES) {
                        bytes -= NOTE_BYTES + (count >> 3);
                        lost.set(table);
                        return;
                    }
                    found = new BitSet(count);
                    stale.put(table, found);
                }
                found.set(i);
            }
        }
    }

    /** Records a table that this disk has made: all its entries are valid. */
    public void made(int table) {
        seen.set(table);
        stale.remove(table);
        lost.clear(table);
    }

    /** Whether a table has such entries, but which is not known: none of its entries may be used or changed. */
    public boolean isLost(int table) {
        return lost.get(table);
    }

    /** Whether the entry is, or may be, one of them. */
    public boolean isStale(int table, int i) {
        if (stale.isEmpty() && lost.isEmpty()) {
            return false;
        }
        BitSet entries = stale.get(table);
        return entries != null && entries.get(i) || lost.get(table);
    }
}
