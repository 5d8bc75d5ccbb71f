package org.blktap.node.vhostuser;

import java.io.IOException;
import java.nio.file.Path;
import org.blktap.api.node.Quota;
import org.blktap.linux.ProcFile;

/** The resources that clients share, and the part that one client may have. One object for all nodes of the daemon. */
final class VhostUserLimits {
    private static final long GIB = 1L << 30;
    private static final Path MAP_COUNT = Path.of("/proc/sys/vm/max_map_count");
    /** Mappings that Linux allows a process by default. */
    private static final long MAP_COUNT_DEFAULT = 65530;
    /** Regions that each client can always map: QEMU and User-Mode Linux use fewer unless memory is plugged. */
    private static final int REGIONS_RESERVE = 16;

    /** Bytes of address space. */
    final ClientBudget bytes;
    /** Mappings: half of those that the kernel allows a process, since the JVM needs some itself. */
    final ClientBudget regions = new ClientBudget(REGIONS_RESERVE, Protocol.MEMORY_SLOTS + 1, mappings() / 2);
    /** Requests taken from rings and not answered yet. */
    final ClientBudget requests;

    final StuckWrites stuckWrites = new StuckWrites();

    VhostUserLimits(VhostSettings settings) {
        bytes = new ClientBudget(
                settings.memory_reserve() * GIB, settings.memory_client() * GIB, settings.memory_total() * GIB);
        requests = new ClientBudget(settings.requests_reserve(), settings.requests_client(), settings.requests_total());
    }

    /** Makes limits from the settings, with another budget of requests. */
    VhostUserLimits(VhostSettings settings, ClientBudget requests) {
        this.bytes = new VhostUserLimits(settings).bytes;
        this.requests = requests;
    }

    void configure(VhostSettings settings) {
        bytes.limit(settings.memory_reserve() * GIB, settings.memory_client() * GIB, settings.memory_total() * GIB);
        requests.limit(settings.requests_reserve(), settings.requests_client(), settings.requests_total());
    }

    private static long mappings() {
        try {
            return Long.parseLong(ProcFile.read(MAP_COUNT));
        } catch (IOException | NumberFormatException e) {
            return MAP_COUNT_DEFAULT;
        }
    }

    /** One client's part of the address space. */
    record MemoryShare(Quota.Share bytes, Quota.Share regions, long bytesMost, long regionsMost) {
        void take(long amount, String what) throws ProtocolException {
            if (!regions.take(1)) {
                throw new ProtocolException(what + ": no more mappings: one client may have " + regionsMost
                        + ", all together as many as the kernel allows (vm.max_map_count)");
            }
            if (!bytes.take(amount)) {
                regions.give(1);
                throw new ProtocolException(what + ": cannot map " + amount + " bytes more: one client may map "
                        + bytesMost + " bytes (memory.client in the settings of " + VhostSettings.PID
                        + "), and all clients share memory.total");
            }
        }

        void giveBack(long amount) {
            bytes.give(amount);
            regions.give(1);
        }
    }

    MemoryShare memoryShare() {
        return new MemoryShare(bytes.share(), regions.share(), bytes.most(), regions.most());
    }
}
