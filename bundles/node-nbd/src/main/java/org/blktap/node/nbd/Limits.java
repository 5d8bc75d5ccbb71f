package org.blktap.node.nbd;

import org.blktap.api.disk.LimitedLog;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.settings.Setting;

/**
 * What clients may take. All exports of the daemon share what is common; below its reserve each export is served whatever the clients of
 * others do.
 *
 * @param clients clients of one export that came through one listening socket
 * @param reservedClients how many of them always find a place
 * @param commonClients places beyond the reserves, of all exports
 * @param handshakes clients of one listening socket that are in the handshake
 * @param handshakeMillis how long a handshake may take
 * @param exportBytes buffers of the clients of one export
 * @param reservedBytes how much of them is always there
 * @param commonBytes buffers beyond the reserves, of all exports
 * @param stuckMillis how long a client may keep buffers without taking or sending data while others wait for some
 */
record Limits(int clients, int reservedClients, int commonClients, int handshakes, long handshakeMillis, long exportBytes,
        long reservedBytes, long commonBytes, long stuckMillis) {
    private static final long MIB = 1 << 20;
    /** The longest request and the slack of {@link BufferPool}, below which nothing works. */
    private static final long LEAST_BYTES = Nbd.MAX_PAYLOAD + BufferPool.SLACK;

    private static final int MOST = 1 << 20;
    /** The interval of lines that clients cause in the log. */
    private static final long LINE_MILLIS = 10_000;

    /** The limits set by system properties. */
    static Limits configured() {
        int clients = number("clients", 64, 1);
        long reserved = number("memory.reserve", 48, (int) (LEAST_BYTES / MIB)) * MIB;
        return new Limits(clients, Math.min(clients, number("clients.reserve", 8, 1)), number("clients.common", 512, 0),
                number("handshakes", 64, 1), number("handshake.seconds", 10, 1) * 1000L,
                Math.max(reserved, number("memory.export", 192, 1) * MIB), reserved, number("memory.common", 512, 0) * MIB,
                number("stuck.seconds", 10, 1) * 1000L);
    }

    static LimitedLog log() {
        return new LimitedLog(System.getLogger("org.blktap.node.nbd"), "", 1, LINE_MILLIS);
    }

    private static int number(String name, int otherwise, int least) {
        return Setting.number("blktap.nbd." + name, otherwise, least, MOST);
    }
}
