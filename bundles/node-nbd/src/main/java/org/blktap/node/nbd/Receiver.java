package org.blktap.node.nbd;

import java.nio.ByteBuffer;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.Libc;

/**
 * The way in: one buffer that many requests arrive in by one recv, and the payload of a large write that goes straight
 * to where it belongs. One thread.
 */
final class Receiver implements AutoCloseable {
    /** Room for the payloads of some dozens of small writes. */
    private static final int BUFFER_BYTES = 256 << 10;
    /**
     * While a payload is received: so much may follow it in the same call. Small, for if it is another large payload it
     * is copied.
     */
    private static final int TAIL_BYTES = 16 << 10;

    private final NativeBuffer memory;
    private final ByteBuffer view;
    private final long buffer;
    private final long message;
    private final long iovecs;
    private int start;
    private int end;
    private long payload;
    private int payloadLeft;
    private int skipLeft;

    Receiver(NativeMemory nativeMemory) {
        memory = nativeMemory.allocate(BUFFER_BYTES + Alignment.PAGE);
        view = memory.bytes(0, BUFFER_BYTES);
        buffer = memory.address();
        message = buffer + BUFFER_BYTES;
        iovecs = message + 64;
        Memory.putLong(message + Libc.MSGHDR_IOV, iovecs);
        Memory.putLong(message + Libc.MSGHDR_IOVLEN, 2);
    }

    /** Puts bytes in that were received before. */
    void put(ByteBuffer early) {
        while (early.hasRemaining()) {
            Memory.putByte(buffer + end++, early.get());
        }
    }

    /** Bytes that may be looked at. */
    int available() {
        return end - start;
    }

    /** Address of the first byte. */
    long address() {
        return buffer + start;
    }

    /** Takes bytes from the front. */
    void drop(int bytes) {
        start += bytes;
        if (start == end) {
            start = 0;
            end = 0;
        }
    }

    /** The next bytes of the stream, so many, go to that address. */
    void payload(long address, int bytes) {
        payload = address;
        payloadLeft = bytes;
        movePayload();
    }

    /** Moves what is here of the payload to its place. */
    private void movePayload() {
        int here = Math.min(payloadLeft, available());
        Memory.copy(address(), payload, here);
        drop(here);
        payload += here;
        payloadLeft -= here;
    }

    /** Whether the last payload is not there in full. */
    boolean payloadMissing() {
        return payloadLeft > 0;
    }

    /** The next bytes of the stream, so many, are of no use. */
    void skip(int bytes) {
        skipLeft = bytes;
    }

    /** Drops the received part of what must be skipped; true if more is expected. */
    boolean skipping() {
        if (skipLeft > 0) {
            int here = Math.min(skipLeft, available());
            drop(here);
            skipLeft -= here;
        }
        return skipLeft > 0;
    }

    /**
     * Receives what is there, in one call.
     *
     * @return the bytes received, 0 at the end of the stream, or a negative errno
     */
    long receive(Transport from) {
        if (start > 0 && end - start < Framing.MAX_REQUEST_BYTES) {
            // all but a part of a header has been taken: begin at the front again
            for (int i = 0; i < end - start; i++) {
                Memory.putByte(buffer + i, Memory.getByte(buffer + start + i));
            }
            end -= start;
            start = 0;
        }
        long n;
        do {
            n = payloadLeft > 0 && from.scatters()
                    ? receivePayload(from)
                    : from.receive(view.limit(BUFFER_BYTES).position(end), buffer + end);
        } while (n == -Errno.EINTR);
        if (n < 0) {
            return n;
        }
        int direct = from.scatters() ? (int) Math.min(n, payloadLeft) : 0;
        payload += direct;
        payloadLeft -= direct;
        end += (int) n - direct;
        if (payloadLeft > 0 && !from.scatters()) {
            movePayload();
        }
        return n;
    }

    private long receivePayload(Transport from) {
        // the buffer is empty: all of it went into the payload
        Memory.putLong(iovecs, payload);
        Memory.putLong(iovecs + Libc.IOVEC_LEN, payloadLeft);
        Memory.putLong(iovecs + Libc.IOVEC_BYTES, buffer);
        Memory.putLong(iovecs + Libc.IOVEC_BYTES + Libc.IOVEC_LEN, TAIL_BYTES);
        return from.scatter(message);
    }

    @Override
    public void close() {
        memory.close();
    }
}
