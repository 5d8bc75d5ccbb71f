package org.blktap.node.nbd;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.nbd.Nbd;

/**
 * A property of ranges that clients may ask about ("Metadata querying").
 *
 * @param id in replies; the same as long as a client is connected
 * @param name as clients know it
 * @param diskName as the disk knows it; empty for what is part of how a range is stored
 */
record MetaContext(int id, String name, String diskName) {
    /** How a range is stored: a set of HOLE and ZERO. */
    static final MetaContext ALLOCATION = new MetaContext(1, Nbd.BASE_ALLOCATION, "");
    /** Which image of the chain has a range. */
    static final MetaContext DEPTH = new MetaContext(2, Nbd.QEMU_ALLOCATION_DEPTH, "");

    /** What the disk calls a dirty bitmap, before its name. */
    private static final String BITMAP = "dirty-bitmap:";

    /** Those of a disk. Those that one MAP answers come one after the other. */
    static List<MetaContext> of(DiskInfo disk) {
        List<MetaContext> contexts = new ArrayList<>(List.of(ALLOCATION, DEPTH));
        for (String diskName : disk.contexts()) {
            String name = Nbd.QEMU + diskName;
            if (diskName.startsWith(BITMAP) && name.getBytes(StandardCharsets.UTF_8).length <= Nbd.MAX_STRING) {
                contexts.add(new MetaContext(contexts.size() + 1, name, diskName));
            }
        }
        return List.copyOf(contexts);
    }

    /** The context of a MAP of a disk that answers this, or -1 if the disk has none. */
    int mapContext(DiskInfo disk) {
        if (diskName.isEmpty()) {
            return 0;
        }
        int place = disk.contexts().indexOf(diskName);
        return place < 0 ? -1 : place + 1;
    }
}
