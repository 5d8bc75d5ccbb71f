package org.blktap.filter.luks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * How much memory this process may still take. If a derivation takes more, the kernel kills the daemon, and with it all
 * disks.
 */
final class AvailableMemory {
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final String AVAILABLE = "MemAvailable:";
    /** Limit of the container that the process runs in; absent elsewhere. */
    private static final Path CONTAINER_MOST = Path.of("/sys/fs/cgroup/memory.max");

    private static final Path CONTAINER_NOW = Path.of("/sys/fs/cgroup/memory.current");
    private static final long KIB = 1024;

    private AvailableMemory() {}

    /** Returns the bytes that are available; the largest number if that is not known. */
    static long bytes() {
        return Math.min(ofMachine(), ofContainer());
    }

    private static long ofMachine() {
        try {
            for (String line : Files.readAllLines(MEMORY)) {
                if (line.startsWith(AVAILABLE)) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) * KIB;
                }
            }
        } catch (IOException | NumberFormatException e) {
            // the system does not say
        }
        return Long.MAX_VALUE;
    }

    private static long ofContainer() {
        try {
            long most = Long.parseLong(Files.readString(CONTAINER_MOST).trim());
            return Math.max(
                    0, most - Long.parseLong(Files.readString(CONTAINER_NOW).trim()));
        } catch (IOException | NumberFormatException e) {
            // no container, or one without a limit
            return Long.MAX_VALUE;
        }
    }
}
