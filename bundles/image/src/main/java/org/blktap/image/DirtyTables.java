package org.blktap.image;

import java.util.ArrayList;

/**
 * The tables whose changes must be written, each once: those of a group of allocations, and those whose writing has
 * failed before. They stay in memory until they are written. Loop only.
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

    /** Marks bytes {@code [from, from + bytes)} of a table as changed. */
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

    /** The errno of a table that could not be written; 0 if all were. */
    int error() {
        return tables.isEmpty() ? 0 : tables.get(0).writeError();
    }

    /** Writes the tables and calls back at the end. Each table has its error, and those with an error stay. */
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
