package org.blktap.image;

import java.util.ArrayList;

/**
 * The tables whose changes must be written, each once: those of a group of allocations, and those that could not be
 * written before. They stay in memory until they are. Loop only.
 */
public final class DirtyTables {
    private final ArrayList<Table> tables = new ArrayList<>();
    private final Runnable whenWritten;
    private final Runnable written = this::written;
    private Allocation changing;
    private int pending;

    DirtyTables(Runnable whenWritten) {
        this.whenWritten = whenWritten;
    }

    /** Attributes the following marks to this allocation. */
    DirtyTables by(Allocation allocation) {
        changing = allocation;
        return this;
    }

    /** Bytes {@code [from, from + bytes)} of a table have changed and must be written. */
    public void mark(Table table, int from, int bytes) {
        if (!table.isDirty()) {
            tables.add(table);
            table.pins++;
        }
        table.markDirty(from, bytes);
        changing.changed(table);
    }

    boolean isEmpty() {
        return tables.isEmpty();
    }

    /** Why a table could not be written; 0 if there is none. */
    int error() {
        return tables.isEmpty() ? 0 : tables.get(0).writeError();
    }

    /** Writes them and calls back when that has ended; each table knows its error, and those that have one stay. */
    void write() {
        pending = tables.size() + 1;
        for (int i = 0; i < tables.size(); i++) {
            tables.get(i).writeDirty(written);
        }
        written();
    }

    private void written() {
        if (--pending > 0) {
            return;
        }
        int kept = 0;
        for (int i = 0; i < tables.size(); i++) {
            Table table = tables.get(i);
            if (table.isDirty()) {
                tables.set(kept++, table);
            } else {
                table.release();
            }
        }
        tables.subList(kept, tables.size()).clear();
        whenWritten.run();
    }
}
