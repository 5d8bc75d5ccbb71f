package org.blktap.filter.luks;

import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.memory.NativeMemory;

/** Finds out which header a store has, and reads it. */
final class Headers {
    private Headers() {}

    /** @param detached whether the store is not the disk whose data the header describes */
    static LuksHeader read(HeaderStore store, boolean detached, NativeMemory memory) throws DiskException {
        if (store.size() < Luks2Header.BYTES) {
            throw new DiskException(
                    Reason.CORRUPT, store.name() + ": not a LUKS disk: it has only " + store.size() + " bytes");
        }
        ByteBuffer first = store.copy("LUKS header", 0, Luks2Header.BYTES, memory);
        boolean marked = Luks2Header.Magic.FIRST.begins(first);
        int version = first.getShort(Luks2Header.VERSION) & 0xffff;
        if (marked && version == 1) {
            return Luks1Header.read(store, first, detached);
        }
        LuksHeader header = Luks2Header.read(store, memory);
        if (header != null) {
            return header;
        }
        byte[] found = new byte[Luks2Header.Magic.BYTES];
        first.get(0, found);
        throw DiskException.notAnImage(
                store.name(),
                store.size(),
                "a LUKS disk",
                "magic",
                0,
                HexFormat.of().formatHex(found),
                HexFormat.of().formatHex(Luks2Header.Magic.FIRST.bytes()));
    }
}
