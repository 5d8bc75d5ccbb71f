package org.blktap.aio;

import org.blktap.api.engine.IoCallback;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.Segments;
import org.blktap.linux.LibAio;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** One operation in a {@link LibaioQueue}: its control block, its vector of pieces, and its callback. Reused. */
final class Slot {
    /** Pieces that fit beside the control block; a longer vector gets memory of its own, which the slot keeps. */
    private static final int INLINE_PIECES = 28;

    static final int BYTES = 512;

    final long iocb;
    private final long inlineVector;
    LibaioFile file;
    IoCallback done;
    Slot next;
    boolean write;
    long offset;
    /** Bytes to move; 0 for a flush. */
    long length;
    /** Bytes moved by a short transfer. */
    long moved;

    private boolean flush;
    /** Failed flushes of the file before this one. */
    private int failures;

    private int pieces;
    private long vector;
    private NativeBuffer longVector;

    static {
        if (LibAio.IOCB_BYTES + INLINE_PIECES * Libc.IOVEC_BYTES > BYTES) {
            throw new AssertionError("a slot overflows");
        }
    }

    Slot(long address, int number, int eventFd) {
        iocb = address;
        inlineVector = address + LibAio.IOCB_BYTES;
        Memory.putLong(iocb + LibAio.IOCB_DATA, number);
        Memory.putInt(iocb + LibAio.IOCB_FLAGS, LibAio.IOCB_FLAG_RESFD);
        Memory.putInt(iocb + LibAio.IOCB_RESFD, eventFd);
    }

    void prepare(
            LibaioFile target, boolean isWrite, long at, Segments data, long skip, long bytes, IoCallback callback) {
        file = target;
        write = isWrite;
        flush = false;
        offset = at;
        length = bytes;
        moved = 0;
        done = callback;
        makeVector(data, skip, bytes);
        Memory.putInt(iocb + LibAio.IOCB_FD, target.file.fd());
        Memory.putLong(iocb + LibAio.IOCB_OFFSET, at);
        if (pieces == 1) {
            Memory.putShort(iocb + LibAio.IOCB_OPCODE, isWrite ? LibAio.IOCB_CMD_PWRITE : LibAio.IOCB_CMD_PREAD);
            Memory.putLong(iocb + LibAio.IOCB_BUF, Memory.getLong(vector));
            Memory.putLong(iocb + LibAio.IOCB_NBYTES, bytes);
        } else {
            Memory.putShort(iocb + LibAio.IOCB_OPCODE, isWrite ? LibAio.IOCB_CMD_PWRITEV : LibAio.IOCB_CMD_PREADV);
            Memory.putLong(iocb + LibAio.IOCB_BUF, vector);
            Memory.putLong(iocb + LibAio.IOCB_NBYTES, pieces);
        }
    }

    void prepareFlush(LibaioFile target, IoCallback callback) {
        file = target;
        write = false;
        flush = true;
        offset = 0;
        length = 0;
        moved = 0;
        done = callback;
        failures = target.flushErrors.failures();
        Memory.putInt(iocb + LibAio.IOCB_FD, target.file.fd());
        Memory.putShort(iocb + LibAio.IOCB_OPCODE, LibAio.IOCB_CMD_FDSYNC);
        Memory.putLong(iocb + LibAio.IOCB_OFFSET, 0);
        Memory.putLong(iocb + LibAio.IOCB_BUF, 0);
        Memory.putLong(iocb + LibAio.IOCB_NBYTES, 0);
    }

    private void makeVector(Segments data, long skip, long bytes) {
        vector = inlineVector;
        if (data.count() > INLINE_PIECES) {
            if (longVector == null) {
                longVector = Mapping.anonymous((long) DiskFile.MAX_PIECES * Libc.IOVEC_BYTES);
            }
            vector = longVector.address();
        }
        pieces = Iovecs.fill(vector, data, skip, bytes);
    }

    /** Moves the rest, or flushes, on a helper thread. A read past the end of the file gets zeros. */
    int finishBlocking() {
        if (flush) {
            return SpaceCalls.flush(file.file.fd());
        }
        Iovecs.advance(vector, pieces, moved);
        return Iovecs.transfer(file.file.fd(), write, vector, pieces, offset + moved, length - moved);
    }

    /** Returns the result of the operation. */
    int result(int error) {
        return flush ? file.flushErrors.result(error, failures) : error;
    }

    /** Clears all references, so that no request is kept alive. */
    void release() {
        file = null;
        done = null;
    }

    void close() {
        if (longVector != null) {
            longVector.close();
        }
    }
}
