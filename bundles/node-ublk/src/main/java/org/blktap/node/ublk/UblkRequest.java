package org.blktap.node.ublk;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.lang.System.Logger.Level;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;

/**
 * The request of one tag: a descriptor that the driver fills ({@code struct ublksrv_io_desc}), and a buffer, as long as
 * those of all tags. Loop only.
 */
final class UblkRequest {
    private final UblkDevice device;
    private final int index;
    private final long descriptor;
    private final long buffer;
    private Request request;
    private int result;
    private boolean taken;

    /** @param index of the tag, counted over all queues */
    UblkRequest(UblkDevice device, int index, long descriptor, long buffer) {
        this.device = device;
        this.index = index;
        this.descriptor = descriptor;
        this.buffer = buffer;
        request = fresh();
    }

    private Request fresh() {
        Request made = device.port().newRequest(this::completed, 1);
        made.data().add(buffer, device.info().bufferBytes());
        return made;
    }

    /** Whether a request has come and is not answered. */
    boolean taken() {
        return taken;
    }

    /** Reads and checks the descriptor, and submits the request, which may have ended when this returns. */
    void take() {
        taken = true;
        int opFlags = Memory.getInt(descriptor + Ublk.DESC_OP_FLAGS);
        long sectors = Memory.getInt(descriptor + Ublk.DESC_SECTORS) & 0xffffffffL;
        long start = Memory.getLong(descriptor + Ublk.DESC_START);
        int error = prepare(opFlags, start, sectors);
        if (error != 0) {
            answer(-error);
            return;
        }
        try {
            device.port().submit(request);
        } catch (RuntimeException | Error e) {
            device.log().log(Level.ERROR, "the disk failed on a request", e);
            if (taken) {
                // it is not known whether the disk will still complete it
                request = fresh();
                answer(-Errno.EIO);
            }
        }
    }

    /** Fills in the request; returns 0, or an errno if the device does not accept it. */
    private int prepare(int opFlags, long start, long sectors) {
        int durability = (opFlags & Ublk.OP_F_FUA) != 0 ? Request.FUA : 0;
        switch (opFlags & Ublk.OP_MASK) {
            case Ublk.OP_READ -> {
                return transfer(Operation.READ, start, sectors, 0);
            }
            case Ublk.OP_WRITE -> {
                return transfer(Operation.WRITE, start, sectors, durability);
            }
            case Ublk.OP_FLUSH -> {
                result = 0;
                request.set(Operation.FLUSH, 0, 0, 0);
                return 0;
            }
            case Ublk.OP_DISCARD -> {
                return range(Operation.DISCARD, start, sectors, Parameters.DISCARD_SECTORS_MAX, durability);
            }
            case Ublk.OP_WRITE_ZEROES -> {
                int keep = (opFlags & Ublk.OP_F_NOUNMAP) != 0 ? Request.NO_UNMAP : 0;
                return range(Operation.WRITE_ZEROES, start, sectors, Parameters.ZEROES_SECTORS_MAX, durability | keep);
            }
            default -> {
                return Errno.EOPNOTSUPP;
            }
        }
    }

    private int transfer(Operation operation, long start, long sectors, int flags) {
        if (sectors > device.info().bufferBytes() / SECTOR) {
            return Errno.EIO;
        }
        int error = range(operation, start, sectors, sectors, flags);
        if (error == 0) {
            result = (int) (sectors * SECTOR);
            request.data().clear();
            request.data().add(buffer, result);
        }
        return error;
    }

    private int range(Operation operation, long start, long sectors, long most, int flags) {
        // the port checks the end of the range
        if (sectors == 0 || sectors > most || start < 0 || start > (Long.MAX_VALUE - sectors * SECTOR) / SECTOR) {
            return Errno.EIO;
        }
        result = 0;
        request.set(operation, start * SECTOR, sectors * SECTOR, flags);
        return 0;
    }

    private void completed(Request ended) {
        if (!taken || ended != request) {
            return;
        }
        answer(
                switch (ended.error()) {
                    case 0 -> result;
                    // to the block layer, EAGAIN is an answer to callers that do not want to wait
                    case Errno.EAGAIN -> -Errno.EIO;
                    default -> -ended.error();
                });
    }

    private void answer(int code) {
        taken = false;
        device.answer(index, code);
    }

    /** Answers with an error in place of the disk, which may complete the request later, without effect. */
    void cutOff() {
        if (taken) {
            request = fresh();
            answer(-Errno.EIO);
        }
    }
}
