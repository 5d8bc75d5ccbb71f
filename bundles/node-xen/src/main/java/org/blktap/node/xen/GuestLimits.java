package org.blktap.node.xen;

import org.blktap.api.disk.LimitedLog;

/** The resources of this process that guests may take, one domain and all together. Any thread. */
final class GuestLimits {
    /** Most ring entries of a connection that may use the reserve: Linux's frontend takes 32 for each of its queues. */
    static final int SMALL_ENTRIES = 512;
    /** The least bytes of buffers that a device always has: those of the largest request. */
    static final long BUFFERS_ALWAYS = 1 << 20;

    /** Lines that a guest may cause in the log at once, and the interval of those that follow. */
    private static final int LINES_AT_ONCE = 20;

    private static final long LINE_MILLISECONDS = 60_000;

    /** Value of a setting for a number that depends on the machine. */
    private static final int OF_MACHINE = -1;

    private static final int MIB_SHIFT = 20;

    private final DomainBudget entries;
    private final DomainBudget pages;
    private final DomainBudget mappings;
    private final DomainBudget buffers;

    GuestLimits(DomainBudget entries, DomainBudget pages, DomainBudget mappings, DomainBudget buffers) {
        this.entries = entries;
        this.pages = pages;
        this.mappings = mappings;
        this.buffers = buffers;
    }

    /**
     * Makes limits from settings.
     *
     * @param kernelMappings the mappings that the kernel allows a process; the JVM and others need half of them
     */
    static GuestLimits of(XenSettings settings, int kernelMappings) {
        GuestLimits limits = new GuestLimits(
                new DomainBudget(0, 0, 0),
                new DomainBudget(0, 0, 0),
                new DomainBudget(0, 0, 0),
                new DomainBudget(0, 0, 0));
        limits.configure(settings, kernelMappings);
        return limits;
    }

    /** @param name begins each line: the attachment's id, or another subject */
    static LimitedLog log(String name) {
        return new LimitedLog(System.getLogger("org.blktap.node.xen"), name, LINES_AT_ONCE, LINE_MILLISECONDS);
    }

    /** Changes the limits. Amounts taken beyond them stay until they are returned. */
    void configure(XenSettings settings, int kernelMappings) {
        long ofProcess = settings.mappings() == OF_MACHINE ? kernelMappings / 2 : settings.mappings();
        entries.limit(settings.entries(), settings.domain_entries(), settings.entries() / 4);
        pages.limit(settings.grants(), settings.domain_grants(), 0);
        mappings.limit(
                ofProcess,
                settings.domain_mappings() == OF_MACHINE ? ofProcess / 8 : settings.domain_mappings(),
                ofProcess / 4);
        buffers.limit((long) settings.buffers() << MIB_SHIFT, (long) settings.domain_buffers() << MIB_SHIFT, 0);
    }

    /** Entries of rings, which heap and the files of request logs go with. */
    DomainBudget entries() {
        return entries;
    }

    /** Pages of data that stay mapped, or were tried. What is beyond is copied. */
    DomainBudget pages() {
        return pages;
    }

    /** Calls of mmap: each takes one of the process's mappings. Rings may use the reserve, data may not. */
    DomainBudget mappings() {
        return mappings;
    }

    /** Bytes of memory for data that is copied, beyond {@link #BUFFERS_ALWAYS} of each device. */
    DomainBudget buffers() {
        return buffers;
    }
}
