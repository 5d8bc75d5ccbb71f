package org.blktap.node.vhostuser;

import java.io.IOException;
import java.nio.file.Path;
import org.blktap.api.node.Quota;
import org.blktap.api.settings.Setting;
import org.blktap.linux.ProcFile;

/**
 * What clients share, and how much of it one of them may have. One object for all nodes of the daemon. The defaults serve
 * about a thousand clients: the address space of a process is 128 TiB.
 */
final class Limits {
    private static final long GIB = 1L << 30;
    /** The address space of a process on x86-64, 128 TiB. */
    private static final long MOST_GIB = 128 << 10;
    private static final long MOST_REQUESTS = 1 << 24;
    private static final Path MAP_COUNT = Path.of("/proc/sys/vm/max_map_count");
    /** What Linux allows a process by default. */
    private static final long MAP_COUNT_DEFAULT = 65530;
    /** Regions that each client can always map: QEMU and User-Mode Linux use fewer unless memory is plugged. */
    private static final int REGIONS_RESERVE = 16;

    /** Bytes of address space. */
    final Budget bytes = new Budget(gib("reserve", 32), gib("client", 4096), gib("total", 65536));
    /** Mappings. Half of what the kernel gives a process; the JVM needs some itself. */
    final Budget regions = new Budget(REGIONS_RESERVE, Protocol.MEMORY_SLOTS + 1, mappings() / 2);
    /** Requests taken from rings and not answered yet. */
    final Budget requests;
    final StuckWrites stuckWrites = new StuckWrites();

    Limits() {
        this(new Budget(requests("reserve", 64), requests("client", 2048), requests("total", 16384)));
    }

    Limits(Budget requests) {
        this.requests = requests;
    }

    private static long gib(String name, long value) {
        return Setting.number("blktap.vhost.memory." + name, value, 0, MOST_GIB) * GIB;
    }

    private static long requests(String name, long value) {
        return Setting.number("blktap.vhost.requests." + name, value, 1, MOST_REQUESTS);
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
                        + bytesMost + " bytes (blktap.vhost.memory.client), and all clients share"
                        + " blktap.vhost.memory.total");
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
