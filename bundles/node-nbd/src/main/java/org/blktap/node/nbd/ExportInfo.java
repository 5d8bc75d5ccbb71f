package org.blktap.node.nbd;

import java.util.List;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.memory.Alignment;
import org.blktap.api.nbd.Nbd;

/**
 * The properties of an export that the handshake announces.
 *
 * @param name what clients ask for
 * @param description one line for people
 * @param sizeBytes the size of the disk
 * @param flags transmission flags, but SEND_DF, which depends on the client
 * @param preferredBlock bytes, a power of two
 * @param contexts what clients may ask about ranges
 * @param access who may use it by TCP; not announced
 */
record ExportInfo(
        String name,
        String description,
        long sizeBytes,
        int flags,
        int preferredBlock,
        List<MetaContext> contexts,
        ExportAccess access) {
    /** The platform's sector, the only alignment without extra cost. */
    static final int MIN_BLOCK = Alignment.SECTOR;

    static ExportInfo of(String name, String description, DiskInfo disk) {
        // one disk and one gate serve all connections, so a flush on one covers the writes of all: CAN_MULTI_CONN
        int flags = Nbd.FLAG_HAS_FLAGS
                | Nbd.FLAG_SEND_FLUSH
                | Nbd.FLAG_SEND_FUA
                | Nbd.FLAG_CAN_MULTI_CONN
                | Nbd.FLAG_SEND_CACHE;
        if (disk.readOnly()) {
            flags |= Nbd.FLAG_READ_ONLY;
        } else {
            flags |= Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FAST_ZERO;
            if (disk.supports(Operation.DISCARD)) {
                flags |= Nbd.FLAG_SEND_TRIM;
            }
        }
        int preferred = Math.max(Alignment.PAGE, Integer.highestOneBit(disk.physicalBlockSize()));
        return new ExportInfo(
                name,
                description,
                disk.sizeBytes(),
                flags,
                Math.min(preferred, Nbd.MAX_PAYLOAD),
                MetaContext.of(disk),
                ExportAccess.OPEN);
    }

    ExportInfo withAccess(ExportAccess to) {
        return new ExportInfo(name, description, sizeBytes, flags, preferredBlock, contexts, to);
    }

    int flags(Framing framing) {
        return framing.hasChunks() ? flags | Nbd.FLAG_SEND_DF : flags;
    }
}
