package org.blktap.filter.luks;

import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/** Where a header and its key material are: the beginning of the disk, or a file of their own. Blocking. */
interface HeaderStore {
    /** The name of the store, for messages. */
    String name();

    /** The size of the store in bytes. */
    long size();

    /** Fills the beginning of a buffer. The range lies inside the store and consists of whole sectors of 512 bytes. */
    void read(long offset, NativeBuffer into, int bytes) throws DiskException;

    /**
     * Returns a copy of a part.
     *
     * @param structure what it is, for the message if the store ends before it does
     */
    default ByteBuffer copy(String structure, long offset, int bytes, NativeMemory memory) throws DiskException {
        check(structure, offset, bytes);
        try (NativeBuffer buffer = memory.allocate(bytes)) {
            read(offset, buffer, bytes);
            return ByteBuffer.allocate(bytes).put(buffer.bytes(0, bytes)).flip();
        }
    }

    /** Checks that a range lies inside the store. */
    default void check(String structure, long offset, long bytes) throws DiskException {
        if (offset < 0 || bytes > size() || offset > size() - bytes) {
            throw DiskException.corrupt(
                    name(), structure + " of " + bytes + " bytes", offset, "an end at " + size(), "all of it");
        }
    }
}
