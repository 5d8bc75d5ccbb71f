package org.blktap.node.nbd;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** Listening TCP sockets, and what we set on the others. */
final class Sockets {
    /** {@code struct sockaddr_in}: u16 family, u16 port, u32 address, both big-endian, 8 of padding (netinet/in.h). */
    private static final int SIN_PORT = 2;

    private static final int SIN_ADDR = 4;
    private static final int SOCKADDR_IN_BYTES = 16;
    private static final int LOOPBACK = 0x7f000001;
    private static final int BACKLOG = 128;
    // asm-generic/errno.h, of interest to sockets only
    private static final int EADDRINUSE = 98;

    private Sockets() {}

    /**
     * Listens on 127.0.0.1.
     *
     * @param port 0 for any that is free
     * @throws DiskException BUSY if the port is taken, IO
     */
    static int listenLoopback(int port) throws DiskException {
        String what = "127.0.0.1:" + port;
        int fd = socket(Libc.AF_INET, what);
        try (Mapping memory = Mapping.anonymous(SOCKADDR_IN_BYTES + Integer.BYTES)) {
            long one = memory.address() + SOCKADDR_IN_BYTES;
            Memory.putInt(one, 1);
            Libc.setsockopt(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, one, Integer.BYTES);
            Memory.putShort(memory.address(), (short) Libc.AF_INET);
            Wire.putShort(memory.address() + SIN_PORT, port);
            Wire.putInt(memory.address() + SIN_ADDR, LOOPBACK);
            if (Libc.bind(fd, memory.address(), SOCKADDR_IN_BYTES) != 0 || Libc.listen(fd, BACKLOG) != 0) {
                int error = Libc.errno();
                Libc.close(fd);
                throw new DiskException(
                        error == EADDRINUSE ? Reason.BUSY : Reason.IO,
                        what + ": cannot listen on it: " + (error == EADDRINUSE ? "in use" : Errno.text(error)));
            }
        }
        return fd;
    }

    /** The port that a listening TCP socket has got. */
    static int port(int fd) {
        try (Mapping memory = Mapping.anonymous(SOCKADDR_IN_BYTES + Integer.BYTES)) {
            long length = memory.address() + SOCKADDR_IN_BYTES;
            Memory.putInt(length, SOCKADDR_IN_BYTES);
            return Libc.getsockname(fd, memory.address(), length) == 0
                    ? Wire.getUnsignedShort(memory.address() + SIN_PORT)
                    : 0;
        }
    }

    private static int socket(int domain, Object what) throws DiskException {
        int fd = Libc.socket(domain, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, 0);
        if (fd < 0) {
            throw new DiskException(Reason.IO, what + ": cannot make a socket: " + Errno.text(Libc.errno()));
        }
        return fd;
    }

    /** TCP_NODELAY: replies are batched by us. Harmless refusal on a unix socket. */
    static void noDelay(int fd) {
        try (Mapping memory = Mapping.anonymous(Integer.BYTES)) {
            Memory.putInt(memory.address(), 1);
            Libc.setsockopt(fd, Libc.IPPROTO_TCP, Libc.TCP_NODELAY, memory.address(), Integer.BYTES);
        }
    }

    /** Sets the send buffer: past the system's limit (net.core.wmem_max) if we may, else up to it. */
    static void sendBuffer(int fd, int bytes) {
        try (Mapping memory = Mapping.anonymous(Integer.BYTES)) {
            Memory.putInt(memory.address(), bytes);
            if (Libc.setsockopt(fd, Libc.SOL_SOCKET, Libc.SO_SNDBUFFORCE, memory.address(), Integer.BYTES) != 0) {
                Libc.setsockopt(fd, Libc.SOL_SOCKET, Libc.SO_SNDBUF, memory.address(), Integer.BYTES);
            }
        }
    }
}
