package org.blktap.format.vhdx;

import java.lang.System.Logger;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.NativeMemory;
import org.blktap.image.CorruptionLog;
import org.blktap.image.PastEnd;
import org.blktap.image.Table;
import org.blktap.image.TableCache;

/** The BAT, a page at a time. The entries of a page are checked once, when it is first loaded. Loop only. */
final class BatPages implements AutoCloseable {
    private static final Logger LOG = System.getLogger("org.blktap.format.vhdx");
    private static final int ENTRY_BITS = 13;
    /** Entries of a page: 64 KiB, which an entry of the log can hold. */
    static final int ENTRIES = 1 << ENTRY_BITS;

    private static final int BYTES = ENTRIES * BlockAllocationTable.ENTRY_BYTES;

    private final BlockAllocationTable bat;
    private final Regions regions;
    private final TableCache pages;
    private final long openEnd;
    private final PastEnd pastEnd;
    private final CorruptionLog corruption;

    /**
     * @param tables the file that pages are read from and written to
     * @param openEnd the file's size when it was opened
     */
    BatPages(VhdxImage image, IoFile tables, NativeMemory memory, long cacheBytes, long openEnd) {
        corruption = new CorruptionLog(LOG, image.file().path());
        bat = image.bat();
        regions = image.regions();
        this.openEnd = openEnd;
        pastEnd = new PastEnd(openEnd);
        pages = new TableCache(memory, tables, BYTES, cacheBytes, bat.entries() + ENTRIES - 1 >>> ENTRY_BITS);
    }

    /** The cache that loads pages. */
    TableCache cache() {
        return pages;
    }

    private static int number(long index) {
        return (int) (index >>> ENTRY_BITS);
    }

    /** Number in its page of an entry. */
    static int slot(long index) {
        return (int) index & ENTRIES - 1;
    }

    static boolean samePage(long index, long other) {
        return number(index) == number(other);
    }

    /** Offset in the file of the page of an entry. */
    long at(long index) {
        return bat.offset() + (long) number(index) * BYTES;
    }

    /** Returns the page of an entry if it is loaded; else null. */
    Table page(long index) {
        Table page = pages.get(at(index));
        int number = number(index);
        if (page != null && !pastEnd.hasSeen(number)) {
            look(page, number);
        }
        return page;
    }

    private void look(Table page, int number) {
        long first = (long) number << ENTRY_BITS;
        int count = (int) Math.min(ENTRIES, bat.entries() - first);
        pastEnd.look(number, count, i -> bat.isValid(first + i, entry(page, i), regions, openEnd) ? 0 : Long.MAX_VALUE);
    }

    /** Whether the entry was invalid when its page was first loaded. */
    boolean isInvalid(long index) {
        return pastEnd.isStale(number(index), slot(index));
    }

    static long entry(Table page, int slot) {
        return page.getLongLittle(slot * BlockAllocationTable.ENTRY_BYTES);
    }

    static void put(Table page, int slot, long entry) {
        page.putLongBig(slot * BlockAllocationTable.ENTRY_BYTES, Long.reverseBytes(entry));
    }

    void pin(Table page) {
        pages.pin(page);
    }

    /** Logs the first invalid entry that a request meets. */
    void corrupt(long index, long entry) {
        corruption.found(
                "BAT entry " + index,
                bat.offset() + index * BlockAllocationTable.ENTRY_BYTES,
                entry,
                "a known state, and an offset inside the file after its regions");
    }

    @Override
    public void close() {
        pages.close();
    }
}
