package org.blktap.node.xen;

import org.blktap.api.disk.LimitedLog;
import org.blktap.api.settings.Setting;

/** What guests may take of this process, one domain and all together. Each number is a system property; the bundle's README lists them. Any thread. */
final class Limits {
    /** Most ring entries of a connection that may use the reserve: Linux's frontend takes 32 for each of its queues. */
    static final int SMALL_ENTRIES = 512;
    /** The least bytes of buffers that a device always has: those of the largest request. */
    static final long BUFFERS_ALWAYS = 1 << 20;

    /** Lines that a guest may cause in the log at once, and the interval of those that follow. */
    private static final int LINES_AT_ONCE = 20;
    private static final long LINE_MILLISECONDS = 60_000;

    private static final long MOST = 1L << 31;
    private static final long MOST_MIB = 1 << 20;

    private final Budget entries;
    private final Budget pages;
    private final Budget mappings;
    private final Budget buffers;

    Limits(Budget entries, Budget pages, Budget mappings, Budget buffers) {
        this.entries = entries;
        this.pages = pages;
        this.mappings = mappings;
        this.buffers = buffers;
    }

    /**
     * As the daemon was started.
     *
     * @param kernelMappings the mappings that the kernel allows a process; the JVM and others need half of them
     */
    static Limits ofSystem(int kernelMappings) {
        long entries = setting("entries", 65_536, MOST);
        long pages = setting("grants", 262_144, MOST);
        long mappings = setting("mappings", kernelMappings / 2, MOST);
        long buffers = setting("buffers", 256, MOST_MIB) << 20;
        return new Limits(
                new Budget(entries, setting("domain.entries", 16_384, MOST), entries / 4),
                new Budget(pages, setting("domain.grants", 65_536, MOST), 0),
                new Budget(mappings, setting("domain.mappings", mappings / 8, MOST), mappings / 4),
                new Budget(buffers, setting("domain.buffers", 64, MOST_MIB) << 20, 0));
    }

    /** @param name begins each line: the attachment's id, or what else it is about */
    static LimitedLog log(String name) {
        return new LimitedLog(System.getLogger("org.blktap.node.xen"), name, LINES_AT_ONCE, LINE_MILLISECONDS);
    }

    private static long setting(String name, long otherwise, long most) {
        return Setting.number("blktap.xen." + name, otherwise, 0, most);
    }

    /** Entries of rings, which heap and the files of request logs go with. */
    Budget entries() {
        return entries;
    }

    /** Pages of data that stay mapped, or were tried. What is beyond is copied. */
    Budget pages() {
        return pages;
    }

    /** Calls of mmap: each takes one of the process's mappings. Rings may use the reserve, data may not. */
    Budget mappings() {
        return mappings;
    }

    /** Bytes of memory for data that is copied, beyond {@link #BUFFERS_ALWAYS} of each device. */
    Budget buffers() {
        return buffers;
    }
}
