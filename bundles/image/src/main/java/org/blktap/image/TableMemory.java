package org.blktap.image;

import java.io.IOException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/** Reads tables that are held in memory as a whole. */
public final class TableMemory {
    private TableMemory() {}

    /**
     * Reads a table. Waits; not for the loop's thread.
     *
     * @param size bytes, whole sectors, so that the memory can be written without a copy
     * @param name of the table, for the message of a failure
     */
    public static NativeBuffer read(NativeMemory memory, IoFile file, long offset, int size, String name)
            throws DiskException {
        NativeBuffer table = memory.allocate(size);
        try (CloseOnFailure opened = new CloseOnFailure(table::close)) {
            file.readFully(table.bytes(0, size), offset);
            return opened.keep(table);
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read the " + name, e);
        }
    }
}
