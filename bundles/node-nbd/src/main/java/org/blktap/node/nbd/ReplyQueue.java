package org.blktap.node.nbd;

import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.nbd.Nbd;
import org.blktap.linux.Libc;

/**
 * Replies on their way out: headers in a ring of their own, data where the disk put it, all of it named by one ring of
 * iovecs and sent by as few sendmsg calls as the socket takes. One thread.
 *
 * <p>A request stays in the queue, with its buffer, until the last byte of its reply is in the socket.
 */
final class ReplyQueue implements AutoCloseable {
    /** Entries of the iovec ring: the most that sendmsg takes (UIO_MAXIOV of linux/uio.h). */
    private static final int IOVECS = 1024;
    /** A reply is a header and perhaps data. */
    private static final int IOVECS_PER_REPLY = 2;
    /** The longest header: an extended reply that is a hole. */
    private static final int MAX_HEADER = 48;
    /** Replies that may be queued. */
    static final int MAX_REPLIES = 256;
    /** Twice what the replies take, so that a header that does not fit at the end may begin at the front. */
    private static final int HEADER_RING = 2 * MAX_REPLIES * MAX_HEADER;

    static {
        assert MAX_REPLIES * IOVECS_PER_REPLY < IOVECS;
    }

    private final Framing framing;
    private final NativeBuffer memory;
    private final long message;
    private final long iovecs;
    private final long headers;
    private int headerTail;
    private int first;
    private int count;
    private long queuedBytes;
    private long sentBytes;
    private NbdRequest oldest;
    private NbdRequest newest;

    ReplyQueue(NativeMemory nativeMemory, Framing framing) {
        this.framing = framing;
        memory = nativeMemory.allocate(64 + IOVECS * Libc.IOVEC_BYTES + HEADER_RING);
        message = memory.address();
        iovecs = message + 64;
        headers = iovecs + IOVECS * Libc.IOVEC_BYTES;
    }

    boolean isEmpty() {
        return oldest == null;
    }

    /** Success, without data. */
    void success(NbdRequest request) {
        if (framing == Framing.EXTENDED || framing.hasChunks() && needsChunks(request)) {
            chunk(request, Nbd.REPLY_TYPE_NONE, 0, 0);
        } else {
            simpleHeader(request, 0);
        }
        add(request);
    }

    /** An error, without a message. */
    void error(NbdRequest request, int error) {
        if (framing == Framing.EXTENDED || framing.hasChunks() && needsChunks(request)) {
            long at = chunk(request, Nbd.REPLY_TYPE_ERROR, Nbd.ERROR_BYTES, 0);
            Wire.putInt(at, error);
            Wire.putShort(at + Nbd.ERROR_TEXT_LENGTH, 0);
        } else {
            simpleHeader(request, error);
        }
        add(request);
    }

    /** Commands that take no simple reply where structured ones were agreed. */
    private static boolean needsChunks(NbdRequest request) {
        return request.command == Nbd.CMD_READ || request.command == Nbd.CMD_BLOCK_STATUS;
    }

    /** The data of a READ, in one chunk if replies come in chunks. */
    void data(NbdRequest request) {
        if (framing.hasChunks()) {
            long at = chunk(request, Nbd.REPLY_TYPE_OFFSET_DATA, Nbd.OFFSET_DATA_BYTES, (int) request.length);
            Wire.putLong(at, request.offset);
        } else {
            simpleHeader(request, 0);
        }
        piece(request.address, (int) request.length);
        add(request);
    }

    /** A reply in one chunk that says that a READ found zeros. */
    void hole(NbdRequest request) {
        long at = chunk(request, Nbd.REPLY_TYPE_OFFSET_HOLE, Nbd.OFFSET_HOLE_BYTES, 0);
        Wire.putLong(at, request.offset);
        Wire.putInt(at + Nbd.OFFSET_HOLE_LENGTH, (int) request.length);
        add(request);
    }

    /** Chunks that are in the request's buffer. */
    void chunks(NbdRequest request) {
        piece(request.address, request.filled);
        add(request);
    }

    private void simpleHeader(NbdRequest request, int error) {
        long at = header(Nbd.SIMPLE_REPLY_BYTES);
        Wire.putInt(at, Nbd.SIMPLE_REPLY_MAGIC);
        Wire.putInt(at + Nbd.SIMPLE_REPLY_ERROR, error);
        Wire.putLong(at + Nbd.SIMPLE_REPLY_COOKIE, request.cookie);
    }

    /** The header of a reply's only chunk; the address of the first bytes of its payload. */
    private long chunk(NbdRequest request, int type, int fixedPayload, int morePayload) {
        long at = header(framing.chunkBytes() + fixedPayload);
        return framing.putChunk(at, Nbd.REPLY_FLAG_DONE, type, request, fixedPayload + morePayload);
    }

    /** Room for a header, named by an iovec: the last one, if that ends here. */
    private long header(int bytes) {
        if (headerTail + bytes > HEADER_RING) {
            headerTail = 0;
        }
        long at = headers + headerTail;
        headerTail += bytes;
        if (count > 0) {
            long last = iovec(count - 1);
            long length = Memory.getLong(last + Libc.IOVEC_LEN);
            if (Memory.getLong(last) + length == at) {
                Memory.putLong(last + Libc.IOVEC_LEN, length + bytes);
                queuedBytes += bytes;
                return at;
            }
        }
        piece(at, bytes);
        return at;
    }

    private void piece(long address, int bytes) {
        long at = iovec(count++);
        Memory.putLong(at, address);
        Memory.putLong(at + Libc.IOVEC_LEN, bytes);
        queuedBytes += bytes;
    }

    private long iovec(int index) {
        return iovecs + (long) ((first + index) & IOVECS - 1) * Libc.IOVEC_BYTES;
    }

    private void add(NbdRequest request) {
        request.replyEnd = queuedBytes;
        request.next = null;
        if (oldest == null) {
            oldest = request;
        } else {
            newest.next = request;
        }
        newest = request;
    }

    /**
     * Sends what the socket takes.
     *
     * @return 0 if all is sent, EAGAIN if the socket is full, or why it failed
     */
    int send(Transport to) {
        while (count > 0) {
            int run = Math.min(count, IOVECS - first);
            Memory.putLong(message + Libc.MSGHDR_IOV, iovecs + (long) first * Libc.IOVEC_BYTES);
            Memory.putLong(message + Libc.MSGHDR_IOVLEN, run);
            long n = to.send(message);
            if (n == -Errno.EINTR) {
                continue;
            }
            if (n < 0) {
                return (int) -n;
            }
            sentBytes += n;
            if (drop(n, run)) {
                return Errno.EAGAIN;
            }
        }
        return 0;
    }

    /** Bytes of all replies that the socket, or the transport before it, has taken. */
    long sentBytes() {
        return sentBytes;
    }

    /** Takes sent bytes off the iovecs; true if some of the run is left. */
    private boolean drop(long bytes, int run) {
        while (run > 0) {
            long at = iovecs + (long) first * Libc.IOVEC_BYTES;
            long length = Memory.getLong(at + Libc.IOVEC_LEN);
            if (bytes < length) {
                Memory.putLong(at, Memory.getLong(at) + bytes);
                Memory.putLong(at + Libc.IOVEC_LEN, length - bytes);
                return true;
            }
            bytes -= length;
            first = (first + 1) & IOVECS - 1;
            count--;
            run--;
        }
        return false;
    }

    /** Takes the oldest request whose reply is wholly sent, or null. */
    NbdRequest takeSent() {
        return oldest != null && oldest.replyEnd <= sentBytes ? takeOldest() : null;
    }

    /** Takes the oldest request, sent or not, when there is nobody left to send to; or null. */
    NbdRequest takeAny() {
        count = 0;
        return oldest == null ? null : takeOldest();
    }

    private NbdRequest takeOldest() {
        NbdRequest request = oldest;
        oldest = request.next;
        request.next = null;
        return request;
    }

    @Override
    public void close() {
        memory.close();
    }
}
