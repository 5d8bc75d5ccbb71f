package org.blktap.node.xen;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.linux.LibXenGnttab;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.blktap.linux.ProcFile;

/** Grants by libxengnttab. One thread at a time. */
final class NativeGrantTable implements GrantTable {
    private final long handle;
    /** What is mapped: the addresses, and how many pages each. */
    private long[] addresses = new long[16];

    private int[] counts = new int[16];
    private int mapped;

    NativeGrantTable(long handle) {
        this.handle = handle;
    }

    /** What the kernel allows a process. */
    static int mappingsMax() {
        try {
            return Integer.parseInt(ProcFile.read(Path.of("/proc/sys/vm/max_map_count")));
        } catch (IOException | NumberFormatException e) {
            // the kernel's default
            return 65530;
        }
    }

    @Override
    public long map(int domain, long grefs, int count) {
        long address = LibXenGnttab.xengnttab_map_domain_grant_refs(
                handle, count, domain, grefs, Libc.PROT_READ | Libc.PROT_WRITE);
        if (address != 0) {
            if (mapped == addresses.length) {
                addresses = Arrays.copyOf(addresses, 2 * mapped);
                counts = Arrays.copyOf(counts, 2 * mapped);
            }
            addresses[mapped] = address;
            counts[mapped++] = count;
        }
        return address;
    }

    /**
     * Asks for the page as a device driver would: vmsplice puts a reference to it into a pipe, for which the kernel
     * must have a {@code struct page} behind the mapping.
     */
    @Override
    public boolean reachesDisks(long address) {
        try (Mapping scratch = Mapping.anonymous(Alignment.PAGE)) {
            long fds = scratch.address();
            if (Libc.pipe2(fds, Libc.O_CLOEXEC | Libc.O_NONBLOCK) != 0) {
                return false;
            }
            long iovec = fds + 64;
            Memory.putLong(iovec, address);
            Memory.putLong(iovec + Libc.IOVEC_LEN, LibXenGnttab.PAGE_BYTES);
            boolean reached = Libc.vmsplice(Memory.getInt(fds + Integer.BYTES), iovec, 1, 0) == LibXenGnttab.PAGE_BYTES;
            Libc.close(Memory.getInt(fds));
            Libc.close(Memory.getInt(fds + Integer.BYTES));
            return reached;
        }
    }

    @Override
    public boolean copy(long pieces, int count) {
        return LibXenGnttab.xengnttab_grant_copy(handle, count, pieces) == 0;
    }

    @Override
    public void close() {
        // a mapping outlives the handle
        while (mapped > 0) {
            mapped--;
            LibXenGnttab.xengnttab_unmap(handle, addresses[mapped], counts[mapped]);
        }
        LibXenGnttab.xengnttab_close(handle);
    }
}
