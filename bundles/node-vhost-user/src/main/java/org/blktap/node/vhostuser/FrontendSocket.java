package org.blktap.node.vhostuser;

import java.util.Arrays;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.Libc;

/**
 * Messages and descriptors over a unix socket, without waiting. One message is received at a time and stays until
 * {@link #finish}, which closes the descriptors that nobody has taken from it.
 */
final class FrontendSocket implements AutoCloseable {
    /** What {@link #receive} found. */
    enum Result {
        MESSAGE,
        NOTHING_YET,
        CLOSED
    }

    /**
     * Most descriptors that a message needs. The kernel passes up to 253, and closes those for which there is no room.
     */
    private static final int FDS_MAX = Protocol.TABLE_REGIONS;

    private static final int FD_BYTES = Integer.BYTES;
    private static final int CONTROL_BYTES = Libc.CMSGHDR_BYTES + FD_BYTES * FDS_MAX;

    private static final int MSGHDR = 0;
    private static final int IOVEC = 64;
    private static final int CONTROL = 128;
    private static final int HEADER = 512;
    private static final int REPLY = 1024;
    private static final int PAYLOAD = 2048;

    private final int fd;
    private final NativeBuffer memory;
    private final BlockingCalls calls;
    private final long base;
    private final int[] fds = new int[FDS_MAX];
    private int fdCount;
    /** Bytes of header and payload received so far. */
    private int received;

    private int request;
    private int flags;
    private int size;

    private FrontendSocket(int fd, NativeBuffer memory, BlockingCalls calls) {
        this.fd = fd;
        this.memory = memory;
        this.calls = calls;
        this.base = memory.address();
        finish();
    }

    /**
     * @param fd owned by this object from now on, also if this throws
     * @param bytes of the buffer, at least a page
     * @param calls used to close descriptors
     */
    static FrontendSocket of(int fd, NativeMemory memory, long bytes, BlockingCalls calls) {
        try (CloseOnFailure opened = new CloseOnFailure(() -> Libc.close(fd))) {
            return opened.keep(new FrontendSocket(fd, memory.allocate(bytes), calls));
        }
    }

    int fd() {
        return fd;
    }

    int request() {
        return request;
    }

    boolean needsReply() {
        return (flags & Protocol.FLAG_NEED_REPLY) != 0;
    }

    /** Bytes of the payload. */
    int size() {
        return size;
    }

    /** The address of the payload. */
    long payload() {
        return base + PAYLOAD;
    }

    /** Descriptors that came with the message. */
    int fdCount() {
        return fdCount;
    }

    /** Descriptor {@code i}, owned by the caller from now on; -1 if it has been taken already or was not sent. */
    int takeFd(int i) {
        int taken = i < fdCount ? fds[i] : -1;
        if (taken != -1) {
            fds[i] = -1;
        }
        return taken;
    }

    /** Descriptor {@code i}, still owned by the message. */
    int peekFd(int i) {
        return i < fdCount ? fds[i] : -1;
    }

    /**
     * Continues to receive the current message.
     *
     * @throws ProtocolException for a header that is not of this protocol: the connection must be closed
     */
    Result receive() throws ProtocolException {
        while (received < Protocol.HEADER_BYTES) {
            // exactly the header: the descriptors belong to its first byte, and a longer read could run into the next
            // message
            Result result = count(receiveWithFds(base + HEADER + received, Protocol.HEADER_BYTES - received));
            if (result != Result.MESSAGE) {
                return result;
            }
            if (received == Protocol.HEADER_BYTES) {
                readHeader();
            }
        }
        while (received < Protocol.HEADER_BYTES + size) {
            int have = received - Protocol.HEADER_BYTES;
            Result result = count(Libc.recv(fd, payload() + have, size - have, Libc.MSG_DONTWAIT));
            if (result != Result.MESSAGE) {
                return result;
            }
        }
        return Result.MESSAGE;
    }

    private void readHeader() throws ProtocolException {
        request = Memory.getInt(base + HEADER);
        flags = Memory.getInt(base + HEADER + Protocol.HEADER_FLAGS);
        int payloadSize = Memory.getInt(base + HEADER + Protocol.HEADER_SIZE);
        if ((flags & Protocol.FLAG_VERSION_MASK) != Protocol.VERSION || (flags & Protocol.FLAG_REPLY) != 0) {
            throw new ProtocolException(Protocol.name(request) + " with flags 0x" + Integer.toHexString(flags)
                    + ", expected version 1 and no reply");
        }
        if (payloadSize < 0 || payloadSize > Protocol.PAYLOAD_MAX) {
            throw new ProtocolException(Protocol.name(request) + " of " + Integer.toUnsignedString(payloadSize)
                    + " bytes, expected at most " + Protocol.PAYLOAD_MAX);
        }
        size = payloadSize;
    }

    private Result count(long got) {
        if (got > 0) {
            received += (int) got;
            return Result.MESSAGE;
        }
        if (got == 0) {
            return Result.CLOSED;
        }
        int errno = Libc.errno();
        return errno == Errno.EAGAIN || errno == Errno.EINTR ? Result.NOTHING_YET : Result.CLOSED;
    }

    private long receiveWithFds(long into, int bytes) throws ProtocolException {
        Memory.fill(base + MSGHDR, Libc.MSGHDR_BYTES, (byte) 0);
        Memory.putLong(base + IOVEC, into);
        Memory.putLong(base + IOVEC + Libc.IOVEC_LEN, bytes);
        Memory.putLong(base + MSGHDR + Libc.MSGHDR_IOV, base + IOVEC);
        Memory.putLong(base + MSGHDR + Libc.MSGHDR_IOVLEN, 1);
        Memory.putLong(base + MSGHDR + Libc.MSGHDR_CONTROL, base + CONTROL);
        Memory.putLong(base + MSGHDR + Libc.MSGHDR_CONTROLLEN, CONTROL_BYTES);
        long got = Libc.recvmsg(fd, base + MSGHDR, Libc.MSG_DONTWAIT | Libc.MSG_CMSG_CLOEXEC);
        if (got <= 0) {
            return got;
        }
        long end = Memory.getLong(base + MSGHDR + Libc.MSGHDR_CONTROLLEN);
        for (long at = 0; at + Libc.CMSGHDR_BYTES <= end; ) {
            long length = Memory.getLong(base + CONTROL + at);
            if (length < Libc.CMSGHDR_BYTES || length > end - at) {
                break;
            }
            if (Memory.getInt(base + CONTROL + at + Libc.CMSGHDR_LEVEL) == Libc.SOL_SOCKET
                    && Memory.getInt(base + CONTROL + at + Libc.CMSGHDR_TYPE) == Libc.SCM_RIGHTS) {
                for (long p = at + Libc.CMSGHDR_BYTES; p + FD_BYTES <= at + length; p += FD_BYTES) {
                    keep(Memory.getInt(base + CONTROL + p));
                }
            }
            at += Alignment.up(length, Long.BYTES);
        }
        if ((Memory.getInt(base + MSGHDR + Libc.MSGHDR_FLAGS) & Libc.MSG_CTRUNC) != 0) {
            throw new ProtocolException("a message with more than " + FDS_MAX + " descriptors");
        }
        return got;
    }

    private void keep(int received) {
        if (fdCount < FDS_MAX) {
            fds[fdCount++] = received;
        } else {
            calls.close(received);
        }
    }

    /** Drops the message, to receive the next. */
    void finish() {
        for (int i = 0; i < fdCount; i++) {
            if (fds[i] != -1) {
                calls.close(fds[i]);
            }
        }
        Arrays.fill(fds, -1);
        fdCount = 0;
        received = 0;
        size = 0;
    }

    /** Address of the buffer for a reply's payload, {@link Protocol#PAYLOAD_MAX} bytes. */
    long reply() {
        return base + REPLY + Protocol.HEADER_BYTES;
    }

    /**
     * Sends the contents of {@link #reply} as the answer to the current message.
     *
     * @param bytes of payload
     * @param passed a descriptor to send along, or -1
     * @return false if the client does not read or has disconnected
     */
    boolean sendReply(int bytes, int passed) {
        Memory.putInt(base + REPLY, request);
        Memory.putInt(base + REPLY + Protocol.HEADER_FLAGS, Protocol.VERSION | Protocol.FLAG_REPLY);
        Memory.putInt(base + REPLY + Protocol.HEADER_SIZE, bytes);
        int total = Protocol.HEADER_BYTES + bytes;
        Memory.fill(base + MSGHDR, Libc.MSGHDR_BYTES, (byte) 0);
        Memory.putLong(base + IOVEC, base + REPLY);
        Memory.putLong(base + IOVEC + Libc.IOVEC_LEN, total);
        Memory.putLong(base + MSGHDR + Libc.MSGHDR_IOV, base + IOVEC);
        Memory.putLong(base + MSGHDR + Libc.MSGHDR_IOVLEN, 1);
        if (passed != -1) {
            Memory.putLong(base + CONTROL, Libc.CMSGHDR_BYTES + FD_BYTES);
            Memory.putInt(base + CONTROL + Libc.CMSGHDR_LEVEL, Libc.SOL_SOCKET);
            Memory.putInt(base + CONTROL + Libc.CMSGHDR_TYPE, Libc.SCM_RIGHTS);
            Memory.putInt(base + CONTROL + Libc.CMSGHDR_BYTES, passed);
            Memory.putLong(base + MSGHDR + Libc.MSGHDR_CONTROL, base + CONTROL);
            Memory.putLong(
                    base + MSGHDR + Libc.MSGHDR_CONTROLLEN, Alignment.up(Libc.CMSGHDR_BYTES + FD_BYTES, Long.BYTES));
        }
        return Libc.sendmsg(fd, base + MSGHDR, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL) == total;
    }

    /** Ends the connection for the other side; the descriptor stays. */
    void shutdown() {
        Libc.shutdown(fd, Libc.SHUT_RDWR);
    }

    @Override
    public void close() {
        finish();
        Libc.close(fd);
        memory.close();
    }
}
