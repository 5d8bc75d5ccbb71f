package org.blktap.node.vhostuser;

import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/**
 * A doorbell that is a unix socket, to which the same message is sent each time. If the socket is full, its reader
 * wakes up anyway.
 */
final class SocketDoorbell implements Doorbell {
    private final int fd;
    private final BlockingCalls calls;
    private final Mapping message = Mapping.anonymous(Long.BYTES);
    private final int bytes;

    /** @param content the first bytes of the message of up to 16 bytes, whose others are zero */
    SocketDoorbell(int fd, BlockingCalls calls, int bytes, long content) {
        this.fd = fd;
        this.calls = calls;
        this.bytes = bytes;
        Memory.putLong(message.address(), content);
    }

    /** Whether a socket is a unix socket. Other sockets can be locked by processes that share them. */
    static boolean isUnix(int fd) {
        try (Mapping value = Mapping.anonymous(Long.BYTES)) {
            Memory.putInt(value.address() + 4, 4);
            return Libc.getsockopt(fd, Libc.SOL_SOCKET, Libc.SO_DOMAIN, value.address(), value.address() + 4) == 0
                    && Memory.getInt(value.address()) == Libc.AF_UNIX;
        }
    }

    @Override
    public void ring() {
        Libc.send(fd, message.address(), bytes, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
    }

    @Override
    public void close() {
        message.close();
        calls.close(fd);
    }
}
