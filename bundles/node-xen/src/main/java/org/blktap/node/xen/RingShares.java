package org.blktap.node.xen;

import java.io.IOException;
import java.util.List;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/** What the rings of one connection take of what all guests share: entries, and mappings of the process. Loop only. */
final class RingShares implements AutoCloseable {
    private final GuestLimits limits;
    private final NativeMemory memory;
    private final GrantTable table;
    private final FrontendParameters frontend;
    private int entriesTaken;
    private int mappingsTaken;

    RingShares(GuestLimits limits, NativeMemory memory, GrantTable table, FrontendParameters frontend) {
        this.limits = limits;
        this.memory = memory;
        this.table = table;
        this.frontend = frontend;
    }

    /** @throws IOException if there are too many */
    void takeEntries() throws IOException {
        int wanted = frontend.queues().stream()
                .mapToInt(queue -> frontend.abi().entries(queue.ringRefs().size()))
                .sum();
        DomainBudget budget = limits.entries();
        if (!budget.take(frontend.domain(), wanted, wanted <= GuestLimits.SMALL_ENTRIES)) {
            throw new IOException(
                    "its rings have " + wanted + " entries, too many: all of domain " + frontend.domain() + " have "
                            + budget.taken(frontend.domain()) + " of at most " + budget.domainMost() + ", all domains' "
                            + budget.taken() + " of at most "
                            + budget.most() + " (settings domain.entries and entries of " + XenSettings.PID + ")");
        }
        entriesTaken = wanted;
    }

    /**
     * Maps the pages of a ring.
     *
     * @throws IOException if no mapping is left, or the domain has not granted them
     */
    long map(List<Integer> refs) throws IOException {
        if (!limits.mappings().take(frontend.domain(), 1, true)) {
            throw new IOException("no mapping is left for its ring: domain " + frontend.domain() + " has "
                    + limits.mappings().taken(frontend.domain()) + " of at most "
                    + limits.mappings().domainMost() + ", all domains "
                    + limits.mappings().taken() + " of at most "
                    + limits.mappings().most() + " (settings domain.mappings and mappings of " + XenSettings.PID + ")");
        }
        mappingsTaken++;
        try (NativeBuffer list = memory.allocate((long) refs.size() * Integer.BYTES)) {
            for (int i = 0; i < refs.size(); i++) {
                Memory.putInt(list.address() + (long) i * Integer.BYTES, refs.get(i));
            }
            long address = table.map(frontend.domain(), list.address(), refs.size());
            if (address == 0) {
                throw new IOException(
                        "domain " + frontend.domain() + " has not granted its ring's pages, references " + refs);
            }
            return address;
        }
    }

    /** Gives them back; the mappings end with the grant table. Once. */
    @Override
    public void close() {
        limits.entries().giveBack(frontend.domain(), entriesTaken);
        limits.mappings().giveBack(frontend.domain(), mappingsTaken);
    }
}
