package org.blktap.linux;

import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.zip.CRC32;
import org.blktap.api.disk.FileNames;
import org.blktap.api.memory.Memory;

/**
 * Listening sockets that the service manager keeps while the daemon is started again: a client that connects meanwhile
 * waits in the socket's queue. The manager gives them to the next process as descriptors from 3 on (sd_listen_fds(3));
 * they are known by the addresses to which they are bound. Any thread.
 */
public final class KeptSockets {
    private static final int FIRST = 3;
    private static final int ADDRESS_BYTES = 112;
    /** Of {@code struct sockaddr_in6} (netinet/in.h): sin6_scope_id, in the machine's order. */
    private static final int SIN6_SCOPE = 24;

    private static final String TCP = "tcp ";

    private static final KeptSockets OURS = new KeptSockets(ServiceManager.ours(), FIRST, given());

    private final ServiceManager manager;
    private final Map<String, Integer> given = new HashMap<>();

    /** @param count descriptors from {@code first} on that the manager has given to this process */
    KeptSockets(ServiceManager manager, int first, int count) {
        this.manager = manager;
        for (int fd = first; fd < first + count; fd++) {
            Libc.fcntl(fd, Libc.F_SETFD, Libc.FD_CLOEXEC);
            String address = address(fd);
            Integer before = address == null ? Integer.valueOf(fd) : given.put(address, fd);
            if (before != null) {
                Libc.close(before);
            }
        }
    }

    /** Those of this process. */
    public static KeptSockets ours() {
        return OURS;
    }

    private static int given() {
        String count = System.getenv("LISTEN_FDS");
        if (count == null || !count.matches("[0-9]{1,3}")) {
            return 0;
        }
        // of another process, from which the environment is inherited
        return Long.toString(ProcessHandle.current().pid()).equals(System.getenv("LISTEN_PID"))
                ? Integer.parseInt(count)
                : 0;
    }

    /** Takes the unix socket that was bound to a path; -1 if none was kept. Then it is the caller's to close. */
    synchronized int take(Path path) {
        return take(unix(FileNames.bytes(path)));
    }

    /**
     * Takes the socket that listens at an address; -1 if none was kept.
     *
     * @param scope the number of the interface of a link-local address of IPv6; 0 for others
     */
    public synchronized int takeTcp(InetAddress address, int scope, int port) {
        return take(tcp(address.getAddress(), scope, port));
    }

    private static String tcp(byte[] address, int scope, int port) {
        return TCP + HexFormat.of().formatHex(address) + (scope == 0 ? "" : "%" + scope) + " " + port;
    }

    private int take(String address) {
        Integer fd = given.remove(address);
        return fd == null ? -1 : fd;
    }

    /**
     * Closes those that nobody has taken, and has them kept no longer: clients would wait for an export that is gone.
     * Called when all recorded disks are open.
     */
    synchronized void closeUnused() {
        given.forEach((address, fd) -> {
            manager.forget(name(address));
            Libc.close(fd);
        });
        given.clear();
    }

    /** Has a listening socket kept, from now on, until {@link #forget}. */
    public void keep(int fd) {
        String address = manager.present() ? address(fd) : null;
        if (address != null) {
            manager.keep(fd, name(address));
        }
    }

    /**
     * To be called before a socket is closed. Unless the daemon ends, it is not kept any longer.
     *
     * @return whether it stays, for the next process
     */
    public boolean forget(int fd) {
        if (!manager.present()) {
            return false;
        }
        if (manager.isStopping()) {
            return true;
        }
        String address = address(fd);
        if (address != null) {
            manager.forget(name(address));
        }
        return false;
    }

    /** A name for the manager, which allows neither colons nor more than 255 characters. */
    private static String name(String address) {
        CRC32 crc = new CRC32();
        crc.update(address.getBytes(StandardCharsets.ISO_8859_1));
        return String.format("listen-%08x", crc.getValue());
    }

    private static String unix(byte[] path) {
        return "unix " + new String(path, StandardCharsets.ISO_8859_1);
    }

    /** The address of a socket; null if it is of no kind that the daemon listens on. */
    private static String address(int fd) {
        try (Mapping memory = Mapping.anonymous(ADDRESS_BYTES + Integer.BYTES)) {
            long base = memory.address();
            long length = base + ADDRESS_BYTES;
            Memory.putInt(length, ADDRESS_BYTES);
            if (Libc.getsockname(fd, base, length) != 0) {
                return null;
            }
            byte[] bytes = new byte[Math.min(Memory.getInt(length), ADDRESS_BYTES)];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = Memory.getByte(base + i);
            }
            int family = bytes.length < 2 ? 0 : bytes[0] & 0xff | (bytes[1] & 0xff) << 8;
            if (family == Libc.AF_INET || family == Libc.AF_INET6) {
                // struct sockaddr_in and sockaddr_in6: the port is big-endian, in front of the address
                int at = family == Libc.AF_INET ? 4 : 8;
                int port = (bytes[2] & 0xff) << 8 | bytes[3] & 0xff;
                int scope = family == Libc.AF_INET ? 0 : Memory.getInt(base + SIN6_SCOPE);
                return tcp(Arrays.copyOfRange(bytes, at, at + (family == Libc.AF_INET ? 4 : 16)), scope, port);
            }
            if (family != Libc.AF_UNIX || bytes.length == 2 || bytes[2] == 0) {
                return null;
            }
            int end = 2;
            while (end < bytes.length && bytes[end] != 0) {
                end++;
            }
            return unix(Arrays.copyOfRange(bytes, 2, end));
        }
    }
}
