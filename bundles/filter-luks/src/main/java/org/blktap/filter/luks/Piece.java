package org.blktap.filter.luks;

import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.filter.luks.LuksHeader.DataSegment;

/** A part of a transfer, as a request to the disk below, with a buffer of its own. Reused. Loop only. */
final class Piece extends Request {
    private final Pieces pieces;
    private final long buffer;
    private final int sectorSize;
    private Transfer transfer;
    /** Offset of the request's data. */
    private long start;

    private int length;
    /** Offset of the sectors that the piece covers. */
    private long sectors;

    private int sectorsLength;

    Piece(Pieces pieces, long buffer) {
        super(ended -> ((Piece) ended).ended(), 1);
        this.pieces = pieces;
        this.buffer = buffer;
        this.sectorSize = pieces.data().sectorSize();
    }

    void start(Transfer of, long offset, int bytes) {
        transfer = of;
        start = offset;
        length = bytes;
        sectors = Alignment.down(offset, sectorSize);
        sectorsLength = (int) (Alignment.up(offset + bytes, sectorSize) - sectors);
        if (of.operation() == Operation.READ) {
            below(Operation.READ, 0);
        } else if (sectorSize == SectorCipher.IV_BYTES
                || pieces.partialSectors().enter(this)) {
            // a disk's requests are whole sectors of 512 bytes: only of larger ones can there be parts
            change();
        }
    }

    /** Begins the change, once no other change is in its way. */
    void change() {
        if (isPartial()) {
            below(Operation.READ, 0);
        } else {
            write();
        }
    }

    /** Whether it changes only a part of its sector. */
    boolean isPartial() {
        return length != sectorsLength;
    }

    boolean overlaps(Piece other) {
        return sectors < other.sectors + other.sectorsLength && other.sectors < sectors + sectorsLength;
    }

    private void below(Operation operation, int flags) {
        data().clear();
        data().add(buffer, sectorsLength);
        pieces.below().submit(set(operation, pieces.data().offset() + sectors, sectorsLength, flags));
    }

    private long number() {
        DataSegment segment = pieces.data();
        return segment.firstNumber() + sectors / SectorCipher.IV_BYTES;
    }

    private void ended() {
        if (error() != 0) {
            finish(error());
        } else if (operation() == Operation.WRITE) {
            finish(0);
        } else if (!pieces.decrypt(buffer, sectorsLength, number())) {
            finish(Errno.EIO);
        } else if (transfer.operation() == Operation.READ) {
            transfer.request().data().copyFrom(buffer + (start - sectors), transfer.at(start), length);
            finish(0);
        } else {
            write();
        }
    }

    private void write() {
        Request request = transfer.request();
        long into = buffer + (start - sectors);
        if (transfer.operation() == Operation.WRITE_ZEROES) {
            Memory.zero(into, length);
        } else {
            // once: what a guest changes from now on is not written
            request.data().copyTo(into, transfer.at(start), length);
            if (request.data().faulted()) {
                finish(Errno.EFAULT);
                return;
            }
        }
        if (pieces.encrypt(buffer, sectorsLength, number())) {
            below(Operation.WRITE, request.flags() & Request.FUA);
        } else {
            finish(Errno.EIO);
        }
    }

    private void finish(int errno) {
        Transfer ended = transfer;
        transfer = null;
        if (sectorSize != SectorCipher.IV_BYTES && ended.operation() != Operation.READ) {
            pieces.partialSectors().leave(this);
        }
        pieces.give(this);
        ended.ended(errno);
    }
}
