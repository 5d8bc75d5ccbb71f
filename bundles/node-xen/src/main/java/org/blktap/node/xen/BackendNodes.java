package org.blktap.node.xen;

import java.io.IOException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.ring.Blkif;

/** Nodes that a backend writes to XenStore for its frontend (Xen's public io/blkif.h, "Backend XenBus Nodes"). */
final class BackendNodes {
    private static final String INDIRECT = "/feature-max-indirect-segments";
    private static final String PAGE_ORDER = "/max-ring-page-order";
    private static final String QUEUES = "/multi-queue-max-queues";

    private BackendNodes() {}

    /** Writes what a frontend reads before it makes its rings, and that it may. */
    static void announce(XenStore tx, String backend, int queues) throws IOException {
        offer(tx, backend, queues);
        XenbusState.INIT_WAIT.write(tx, backend);
    }

    /** Writes what a frontend reads before it makes its rings. */
    static void offer(XenStore tx, String backend, int queues) throws IOException {
        tx.write(backend + INDIRECT, Integer.toString(Blkif.INDIRECT_SEGMENTS_MAX));
        tx.write(backend + PAGE_ORDER, Integer.toString(FrontendParameters.PAGE_ORDER_MAX));
        tx.write(backend + QUEUES, Integer.toString(queues));
    }

    /** Whether that is written there. */
    static boolean offers(XenStore store, String backend, int queues) throws IOException {
        return Integer.toString(Blkif.INDIRECT_SEGMENTS_MAX).equals(store.read(backend + INDIRECT))
                && Integer.toString(FrontendParameters.PAGE_ORDER_MAX).equals(store.read(backend + PAGE_ORDER))
                && Integer.toString(queues).equals(store.read(backend + QUEUES));
    }

    /**
     * How many rings a frontend may have made: as many as we allow, or as it was offered before by whoever announced
     * the device, the kernel's backend or an earlier process.
     */
    static int queuesAccepted(XenStore store, String backend, int queues) throws IOException {
        String offered = store.read(backend + QUEUES);
        int more = offered != null && offered.matches("[0-9]{1,5}") ? Integer.parseInt(offered) : 0;
        return Math.min(XenBackend.QUEUES_MAX, Math.max(queues, more));
    }

    /**
     * Writes what a frontend reads when it connects, and that it may, unless it has been asked to let the device go.
     */
    static void connect(XenStore tx, String backend, DiskInfo disk, DeviceAccess access, boolean mapsPages)
            throws IOException {
        boolean discards = disk.supports(Operation.DISCARD)
                && access.writable()
                && !"0".equals(tx.read(backend + "/discard-enable"));
        tx.write(backend + "/feature-flush-cache", "1");
        tx.write(backend + "/feature-barrier", "1");
        tx.write(backend + "/feature-persistent", mapsPages ? "1" : "0");
        tx.write(backend + "/feature-discard", discards ? "1" : "0");
        if (discards) {
            tx.write(
                    backend + "/discard-granularity",
                    Integer.toString(Math.max(Blkif.SECTOR, disk.physicalBlockSize())));
            tx.write(backend + "/discard-alignment", "0");
            tx.write(backend + "/discard-secure", "0");
        }
        tx.write(backend + "/sectors", Long.toString(disk.sizeBytes() / Blkif.SECTOR));
        tx.write(backend + "/info", Integer.toString(access.info(disk.readOnly())));
        // what requests count in, whatever this says, but not all frontends have thought so
        tx.write(backend + "/sector-size", Integer.toString(Blkif.SECTOR));
        tx.write(backend + "/physical-sector-size", Integer.toString(Math.max(Blkif.SECTOR, disk.physicalBlockSize())));
        if (XenbusState.of(tx, backend) != XenbusState.CLOSING) {
            XenbusState.CONNECTED.write(tx, backend);
        }
    }

    /** Writes another size. Linux's frontend reads it when the state is written again. */
    static void size(XenStore tx, String backend, long bytes) throws IOException {
        tx.write(backend + "/sectors", Long.toString(bytes / Blkif.SECTOR));
        XenbusState.of(tx, backend).write(tx, backend);
    }
}
