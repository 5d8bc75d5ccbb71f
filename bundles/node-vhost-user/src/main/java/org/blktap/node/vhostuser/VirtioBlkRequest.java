package org.blktap.node.vhostuser;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.lang.System.Logger.Level;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;

/**
 * One virtio-blk request (virtio 1.2 section 5.2.6), from the device's {@link RequestPool}. First {@link #prepare}
 * reads everything needed from the guest's memory, then {@link #submit} passes the request to the disk, and
 * {@link VirtioBlkQueue#finished} returns it to the queue.
 */
final class VirtioBlkRequest {
    private static final int NONE = -1;

    private final VirtioBlkDevice device;
    private final Request request;
    /** Its queue; null while the object is not in use, and for ever once the disk has lost the request. */
    private VirtioBlkQueue queue;

    private int head;
    private long statusAddress;
    private int written;
    private byte status;
    private boolean ended;
    /** A status that is known without the disk, or {@link #NONE}. */
    private int answer;

    VirtioBlkRequest(VirtioBlkDevice device) {
        this.device = device;
        request = device.port().newRequest(this::completed, 4);
        request.data().foreign(MemoryGuard::settle);
    }

    int head() {
        return head;
    }

    /** Address of the status byte. */
    long statusAddress() {
        return statusAddress;
    }

    byte status() {
        return status;
    }

    /** Bytes that the device has written, including the status byte. */
    int written() {
        return written;
    }

    /**
     * Reads the header and the range of a discard, and finds the addresses of the data.
     *
     * @param first the index of its first descriptor
     * @throws BrokenRingException if there is no room for an answer
     */
    void prepare(VirtioBlkQueue of, int first, DescriptorChain chain) throws BrokenRingException {
        queue = of;
        head = first;
        Segments out = chain.readable();
        Segments in = chain.writable();
        if (out.total() < VirtioBlk.HEADER_BYTES || in.total() < 1) {
            throw new BrokenRingException("request " + head + " has " + out.total() + " readable and " + in.total()
                    + " writable bytes, expected at least 16 and 1");
        }
        long header = piece(out, 0, VirtioBlk.HEADER_BYTES);
        int type = Memory.getInt(header);
        long sector = Memory.getLong(header + VirtioBlk.HEADER_SECTOR);
        int last = in.count() - 1;
        statusAddress = in.address(last) + in.length(last) - 1;
        written = 1;
        answer = NONE;
        switch (type) {
            case VirtioBlk.T_IN -> transfer(Operation.READ, sector, in, 0, in.total() - 1, 0);
            case VirtioBlk.T_OUT ->
                transfer(
                        Operation.WRITE,
                        sector,
                        out,
                        VirtioBlk.HEADER_BYTES,
                        out.total() - VirtioBlk.HEADER_BYTES,
                        device.durability());
            case VirtioBlk.T_FLUSH -> request.set(Operation.FLUSH, 0, 0, 0);
            case VirtioBlk.T_DISCARD -> range(Operation.DISCARD, out);
            case VirtioBlk.T_WRITE_ZEROES -> range(Operation.WRITE_ZEROES, out);
            case VirtioBlk.T_GET_ID -> {
                written += device.copyId(in);
                answer = VirtioBlk.S_OK;
            }
            default -> answer = VirtioBlk.S_UNSUPP;
        }
    }

    /** Returns the address of bytes to be read: their own, or that of a copy if they are in several pieces. */
    private long piece(Segments list, int at, int bytes) throws BrokenRingException {
        if (at == 0 && list.length(0) >= bytes) {
            return list.address(0);
        }
        list.copyTo(device.scratch(), at, bytes);
        if (list.faulted()) {
            throw new BrokenRingException("its memory is gone");
        }
        return device.scratch();
    }

    private void transfer(Operation operation, long sector, Segments list, long skip, long bytes, int flags) {
        if (bytes <= 0
                || !Alignment.isAligned(bytes, SECTOR)
                || bytes > VirtioBlk.DATA_MAX
                || outOfReach(sector, bytes)) {
            answer = VirtioBlk.S_IOERR;
            return;
        }
        request.data().sliceOf(list, skip, bytes);
        request.set(operation, sector * SECTOR, bytes, flags);
        if (operation == Operation.READ) {
            written += (int) bytes;
        }
    }

    /** Reads a discard or write-zeroes of one segment; {@link VirtioBlk#RANGES_MAX} makes drivers send no more. */
    private void range(Operation operation, Segments out) throws BrokenRingException {
        boolean zeroes = operation == Operation.WRITE_ZEROES;
        if (out.total() != VirtioBlk.HEADER_BYTES + VirtioBlk.RANGE_BYTES) {
            answer = out.total() % VirtioBlk.RANGE_BYTES == 0 && out.total() > VirtioBlk.HEADER_BYTES
                    ? VirtioBlk.S_UNSUPP
                    : VirtioBlk.S_IOERR;
            return;
        }
        long at = piece(out, VirtioBlk.HEADER_BYTES, VirtioBlk.RANGE_BYTES);
        long sector = Memory.getLong(at);
        long sectors = Memory.getInt(at + VirtioBlk.RANGE_SECTORS) & 0xffffffffL;
        int flags = Memory.getInt(at + VirtioBlk.RANGE_FLAGS);
        if ((flags & ~(zeroes ? VirtioBlk.RANGE_FLAG_UNMAP : 0)) != 0) {
            // 5.2.6.2: unknown flags, and unmap of a discard, are not supported
            answer = VirtioBlk.S_UNSUPP;
        } else if (sectors > (zeroes ? VirtioBlk.ZEROES_SECTORS_MAX : VirtioBlk.DISCARD_SECTORS_MAX)
                || outOfReach(sector, sectors * SECTOR)) {
            answer = VirtioBlk.S_IOERR;
        } else if (sectors == 0) {
            answer = VirtioBlk.S_OK;
        } else {
            boolean keep = zeroes && (flags & VirtioBlk.RANGE_FLAG_UNMAP) == 0;
            request.set(
                    operation, sector * SECTOR, sectors * SECTOR, device.durability() | (keep ? Request.NO_UNMAP : 0));
        }
    }

    /** Whether a range cannot be expressed in bytes. Whether the disk is long enough, the port checks. */
    private static boolean outOfReach(long sector, long bytes) {
        return sector < 0 || sector > (Long.MAX_VALUE - bytes) / SECTOR;
    }

    /** Starts the prepared request, which may have ended when this returns. */
    void submit() {
        if (answer != NONE) {
            status = (byte) answer;
            queue.finished(this);
            return;
        }
        VirtioBlkQueue of = queue;
        ended = false;
        try {
            device.port().submit(request);
        } catch (RuntimeException | Error e) {
            device.log().log(Level.ERROR, "the disk failed on a request", e);
            if (!ended) {
                of.finished(failedInstead());
            }
        }
    }

    /** Takes it back, if it waits because the storage has failed it; then it has not ended, and is not in flight. */
    boolean withdraw() {
        return device.port().withdraw(request);
    }

    /** Ends it with an error, after it was taken back. */
    void fail() {
        ended = true;
        status = VirtioBlk.S_IOERR;
        written = 1;
        queue.finished(this);
    }

    /**
     * Returns an object that answers in place of this one. Whether the disk will still complete this one is not known,
     * so it is not used again.
     */
    private VirtioBlkRequest failedInstead() {
        VirtioBlkRequest instead = new VirtioBlkRequest(device);
        instead.queue = queue;
        instead.head = head;
        instead.statusAddress = statusAddress;
        instead.status = VirtioBlk.S_IOERR;
        instead.written = 1;
        queue = null;
        return instead;
    }

    private void completed(Request request) {
        if (queue == null || ended) {
            return;
        }
        ended = true;
        status = switch (request.error()) {
            case 0 -> VirtioBlk.S_OK;
            case Errno.EOPNOTSUPP -> VirtioBlk.S_UNSUPP;
            default -> VirtioBlk.S_IOERR;
        };
        if (request.error() != 0) {
            written = 1;
        }
        queue.finished(this);
    }
}
