package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.memory.Memory;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.Test;

class PersistentGrantsTest {
    private static final int LIMIT = 16384;
    private static final int BAD = 7;

    /** Counts what it is asked, and grants all but {@link #BAD}. */
    private static final class Table implements GrantTable {
        int calls;
        private long next = 1L << 40;

        @Override
        public long map(int domain, long grefs, int count) {
            calls++;
            for (int i = 0; i < count; i++) {
                if (Memory.getInt(grefs + (long) i * Integer.BYTES) == BAD) {
                    return 0;
                }
            }
            long first = next;
            next += (long) count * 4096;
            return first;
        }

        @Override
        public boolean reachesDisks(long address) {
            return true;
        }

        @Override
        public boolean copy(long pieces, int count) {
            return false;
        }

        @Override
        public void close() {
            // nothing is mapped
        }
    }

    @Test
    void pagesAreMappedOnceAndFoundAgain() {
        Table table = new Table();
        try (PersistentGrants grants =
                new PersistentGrants(new NativeMemoryService(), table, TestHost.limits(), 1, LIMIT)) {
            for (int round = 0; round < 2; round++) {
                for (int gref = 100; gref < 132; gref++) {
                    grants.want(gref);
                    grants.want(gref);
                }
                grants.map();
            }
            assertEquals(1, table.calls);
            for (int gref = 100; gref < 132; gref++) {
                assertEquals((1L << 40) + (gref - 100) * 4096L, grants.page(gref));
            }
            assertEquals(0, grants.page(99));
        }
    }

    @Test
    void onePageThatIsNotGrantedDoesNotKeepTheOthersOut() {
        Table table = new Table();
        try (PersistentGrants grants =
                new PersistentGrants(new NativeMemoryService(), table, TestHost.limits(), 1, LIMIT)) {
            grants.want(1);
            grants.want(BAD);
            grants.want(2);
            grants.map();
            assertTrue(grants.page(1) != 0 && grants.page(2) != 0);
            assertEquals(0, grants.page(BAD));
        }
    }

    @Test
    void theKernelsLimitIsReadAsAWhole() {
        // no kernel's default is less, and no lab's setting
        assertTrue(NativeGrantTable.mappingsMax() >= 10_000, NativeGrantTable.mappingsMax() + " mappings");
    }

    /** Each call costs the process a mapping, of which the kernel gives it some 65,000. */
    @Test
    void aFrontendThatBringsItsPagesOneByOneDoesNotUseUpTheMappings() {
        Table table = new Table();
        try (PersistentGrants grants =
                new PersistentGrants(new NativeMemoryService(), table, TestHost.limits(), 1, LIMIT)) {
            for (int gref = 1000; gref < 1000 + 2 * LIMIT; gref++) {
                grants.want(gref);
                if (gref % 16 == 0) {
                    grants.want(BAD);
                }
                grants.map();
            }
            assertTrue(table.calls <= 1024, table.calls + " calls");
            assertEquals(LIMIT, grants.count());
        }
    }
}
