package org.blktap.node.nbd;

import java.net.Inet6Address;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.tls.TcpEndpoint;

/** Listening TCP sockets, and what we set on the others. */
final class Sockets {
    /** {@code struct sockaddr_in}: u16 family, u16 port, u32 address, both big-endian, 8 of padding (netinet/in.h). */
    private static final int SIN_PORT = 2;

    private static final int SIN_ADDR = 4;
    private static final int SOCKADDR_IN_BYTES = 16;
    /** {@code struct sockaddr_in6}: as above, then u32 flow information, 16 bytes of address, u32 scope. */
    private static final int SIN6_ADDR = 8;

    private static final int SIN6_SCOPE = 24;
    private static final int SOCKADDR_IN6_BYTES = 28;
    private static final int BACKLOG = 128;

    private Sockets() {}

    /**
     * Listens at an address.
     *
     * @throws DiskException BUSY if the port is taken, NOT_FOUND if the address is not of this host, IO
     */
    static int listen(TcpEndpoint at) throws DiskException {
        int fd = socket(at.isIpv6() ? Libc.AF_INET6 : Libc.AF_INET, at);
        try (Mapping memory = Mapping.anonymous(SOCKADDR_IN6_BYTES + Integer.BYTES)) {
            long one = memory.address() + SOCKADDR_IN6_BYTES;
            Memory.putInt(one, 1);
            Libc.setsockopt(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, one, Integer.BYTES);
            if (Libc.bind(fd, memory.address(), put(at, memory.address())) != 0 || Libc.listen(fd, BACKLOG) != 0) {
                int error = Libc.errno();
                Libc.close(fd);
                throw new DiskException(
                        switch (error) {
                            case Errno.EADDRINUSE -> Reason.BUSY;
                            case Errno.EADDRNOTAVAIL -> Reason.NOT_FOUND;
                            default -> Reason.IO;
                        },
                        at + ": cannot listen on it: "
                                + switch (error) {
                                    case Errno.EADDRINUSE -> "in use";
                                    case Errno.EADDRNOTAVAIL -> "this host does not have the address";
                                    default -> Errno.text(error);
                                });
            }
        }
        return fd;
    }

    /** Puts an address into memory; its length. */
    private static int put(TcpEndpoint at, long address) {
        byte[] bytes = at.address().getAddress();
        Memory.putShort(address, (short) (at.isIpv6() ? Libc.AF_INET6 : Libc.AF_INET));
        Wire.putShort(address + SIN_PORT, at.port());
        for (int i = 0; i < bytes.length; i++) {
            Memory.putByte(address + (at.isIpv6() ? SIN6_ADDR : SIN_ADDR) + i, bytes[i]);
        }
        if (at.address() instanceof Inet6Address ipv6) {
            Memory.putInt(address + SIN6_SCOPE, ipv6.getScopeId());
            return SOCKADDR_IN6_BYTES;
        }
        return SOCKADDR_IN_BYTES;
    }

    /** The port that a listening TCP socket has got. */
    static int port(int fd) {
        try (Mapping memory = Mapping.anonymous(SOCKADDR_IN6_BYTES + Integer.BYTES)) {
            long length = memory.address() + SOCKADDR_IN6_BYTES;
            // the port is at the same place in both kinds
            Memory.putInt(length, SOCKADDR_IN6_BYTES);
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
