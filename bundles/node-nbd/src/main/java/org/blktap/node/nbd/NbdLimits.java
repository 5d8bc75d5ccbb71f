package org.blktap.node.nbd;

import org.blktap.api.disk.LimitedLog;

/**
 * What clients may take. All exports of the daemon share what is common; below its reserve each export is served
 * whatever the clients of others do.
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
record NbdLimits(
        int clients,
        int reservedClients,
        int commonClients,
        int handshakes,
        long handshakeMillis,
        long exportBytes,
        long reservedBytes,
        long commonBytes,
        long stuckMillis) {
    private static final long MIB = 1 << 20;

    /** Interval between log lines that clients cause. */
    private static final long LINE_MILLIS = 10_000;

    static NbdLimits of(NbdSettings settings) {
        long reserved = settings.memory_reserve() * MIB;
        return new NbdLimits(
                settings.clients(),
                Math.min(settings.clients(), settings.clients_reserve()),
                settings.clients_common(),
                settings.handshakes(),
                settings.handshake_seconds() * 1000L,
                Math.max(reserved, settings.memory_export() * MIB),
                reserved,
                settings.memory_common() * MIB,
                settings.stuck_seconds() * 1000L);
    }

    static LimitedLog log() {
        return new LimitedLog(System.getLogger("org.blktap.node.nbd"), "", 1, LINE_MILLIS);
    }
}
