package org.blktap.node.xen;

/** What guests may take of this process, one domain and all together. Each number is a system property; the bundle's README lists them. Any thread. */
final class Limits {
    /** Most ring entries of a connection that may use the reserve: Linux's frontend takes 32 for each of its queues. */
    static final int SMALL_ENTRIES = 512;
    /** The least bytes of buffers that a device always has: those of the largest request. */
    static final long BUFFERS_ALWAYS = 1 << 20;

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
        long entries = Long.getLong("blktap.xen.entries", 65_536);
        long pages = Long.getLong("blktap.xen.grants", 262_144);
        long mappings = Long.getLong("blktap.xen.mappings", kernelMappings / 2);
        long buffers = Long.getLong("blktap.xen.buffers", 256) << 20;
        return new Limits(
                new Budget(entries, Long.getLong("blktap.xen.domain.entries", 16_384), entries / 4),
                new Budget(pages, Long.getLong("blktap.xen.domain.grants", 65_536), 0),
                new Budget(mappings, Long.getLong("blktap.xen.domain.mappings", mappings / 8), mappings / 4),
                new Budget(buffers, Long.getLong("blktap.xen.domain.buffers", 64) << 20, 0));
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
