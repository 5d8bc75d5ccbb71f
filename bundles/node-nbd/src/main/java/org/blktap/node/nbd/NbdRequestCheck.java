package org.blktap.node.nbd;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.nbd.Nbd;

/** The error that a request deserves as it is, or 0 ("Request types", "Error values"). */
final class NbdRequestCheck {
    private NbdRequestCheck() {}

    /** @param mayAskStatus whether the client has selected a context */
    static int error(NbdRequest request, DiskInfo info, Framing framing, boolean mayAskStatus) {
        int allowed = Nbd.CMD_FLAG_FUA;
        boolean writes = false;
        switch (request.command) {
            case Nbd.CMD_READ -> allowed |= framing.hasChunks() ? Nbd.CMD_FLAG_DF : 0;
            case Nbd.CMD_WRITE -> {
                writes = true;
                allowed |= framing == Framing.EXTENDED ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0;
            }
            case Nbd.CMD_TRIM -> writes = true;
            case Nbd.CMD_WRITE_ZEROES -> {
                writes = true;
                allowed |= Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FAST_ZERO;
            }
            case Nbd.CMD_FLUSH, Nbd.CMD_CACHE -> {
                // only the flag that is valid for all
            }
            case Nbd.CMD_BLOCK_STATUS -> {
                allowed |= Nbd.CMD_FLAG_REQ_ONE;
                if (!mayAskStatus || request.length == 0) {
                    return Nbd.EINVAL;
                }
            }
            default -> {
                return Nbd.EINVAL;
            }
        }
        if ((request.flags & ~allowed) != 0) {
            return Nbd.EINVAL;
        }
        if (request.command == Nbd.CMD_FLUSH) {
            return request.offset == 0 && request.length == 0 ? 0 : Nbd.EINVAL;
        }
        if (writes && info.readOnly()) {
            return Nbd.EPERM;
        }
        long size = info.sizeBytes();
        if (request.offset < 0
                || request.length < 0
                || request.offset > size
                || request.length > size - request.offset) {
            return writes && request.command != Nbd.CMD_TRIM ? Nbd.ENOSPC : Nbd.EINVAL;
        }
        if (request.command == Nbd.CMD_READ && request.length > Nbd.MAX_PAYLOAD) {
            return framing.hasChunks() ? Nbd.EOVERFLOW : Nbd.EINVAL;
        }
        return 0;
    }
}
