package org.blktap.filter.luks;

import java.util.function.Consumer;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.memory.Alignment;

/** A read, write or zeroing of any length, done in pieces. Reused. Loop only. */
final class Transfer {
    private final Pieces pieces;
    private final int sectorSize;
    private final Consumer<Transfer> free;
    private Request request;
    private long position;
    private long end;
    /** Number of active pieces, plus one while further ones are being started. */
    private int pending;

    /** Whether it waits for a piece. */
    private boolean queued;

    private int error;

    /** @param free takes this transfer when it has ended */
    Transfer(Pieces pieces, Consumer<Transfer> free) {
        this.pieces = pieces;
        this.sectorSize = pieces.data().sectorSize();
        this.free = free;
    }

    void start(Request ofNode) {
        request = ofNode;
        position = ofNode.offset();
        end = position + ofNode.length();
        error = 0;
        if (pieces.crowded()) {
            queued = true;
            pieces.enqueue(this);
        } else {
            advance();
        }
    }

    /** Starts pieces while there are free ones. */
    void advance() {
        queued = false;
        pending++;
        while (position < end && error == 0) {
            Piece piece = pieces.take();
            if (piece == null) {
                queued = true;
                pieces.enqueue(this);
                break;
            }
            long start = position;
            position += length(start);
            pending++;
            piece.start(this, start, (int) (position - start));
        }
        ended(0);
    }

    /**
     * Returns the length of the piece that begins at {@code start}: whole sectors, or a part of one sector, which has
     * to be read before it is written.
     */
    private long length(long start) {
        long next = Alignment.up(start + 1, sectorSize);
        if (!Alignment.isAligned(start, sectorSize) || next > end) {
            return Math.min(next, end) - start;
        }
        return Math.min(Alignment.down(end - start, sectorSize), Pieces.BUFFER);
    }

    Request request() {
        return request;
    }

    Operation operation() {
        return request.operation();
    }

    /** Returns where in the request a piece that begins at {@code start} has its data. */
    long at(long start) {
        return start - request.offset();
    }

    /** Called when a piece has ended. */
    void ended(int errno) {
        if (errno != 0 && error == 0) {
            error = errno;
        }
        if (--pending == 0 && !queued) {
            Request done = request;
            int result = error;
            request = null;
            free.accept(this);
            done.complete(result);
        }
    }
}
