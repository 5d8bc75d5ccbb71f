package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;

class DescriptorChainTest {
    private static final long GUEST = 0x1_0000_0000L;
    private static final int RAM = 1 << 20;
    private static final int SIZE = 16;
    private static final long INDIRECT_AT = 0x8000;

    /** Guest memory with a ring of 16 at its beginning. */
    private static final class Fixture implements AutoCloseable {
        final TestMemory ram = new TestMemory(RAM);
        final GuestMemory guest = new GuestMemory();
        final DescriptorChain chain = new DescriptorChain();
        final Virtqueue ring;

        Fixture(long features) throws ProtocolException {
            guest.add(TestMemory.region(ram.fd, GUEST, RAM, 0, 0));
            ring = new Virtqueue(SIZE, features);
            ring.place(guest.userRange(0, RAM), guest.userRange(0x1000, 64), guest.userRange(0x2000, 256));
        }

        void put(long table, int i, long address, int length, int flags, int next) {
            long at = ram.address() + table + 16L * i;
            Memory.putLong(at, address);
            Memory.putInt(at + 8, length);
            Memory.putShort(at + 12, (short) flags);
            Memory.putShort(at + 14, (short) next);
        }

        void walk(int head) throws BrokenRingException {
            chain.walk(ring, guest, head);
        }

        String broken(int head) {
            return assertThrows(BrokenRingException.class, () -> walk(head)).getMessage();
        }

        @Override
        public void close() {
            guest.close();
            ram.close();
        }
    }

    @org.junit.jupiter.api.Test
    void aFullTableIsNoLoop() throws Exception {
        try (Fixture f = new Fixture(0)) {
            for (int i = 0; i < SIZE; i++) {
                f.put(0, i, GUEST + 0x10000 + i * 0x100L, 0x10, i == SIZE - 1 ? 2 : 1, i + 1);
            }
            f.walk(0);
            assertEquals(15 * 16, f.chain.readable().total());
            assertEquals(16, f.chain.writable().total());
            f.put(0, SIZE - 1, GUEST, 1, 1, 0);
            assertTrue(f.broken(0).contains("loop"));
        }
    }

    @org.junit.jupiter.api.Test
    void indirectTables() throws Exception {
        try (Fixture f = new Fixture(VirtioBlk.F_INDIRECT_DESC)) {
            // may be longer than the queue, and stand behind direct descriptors
            int count = 100;
            f.put(0, 3, GUEST + 0x9000, 4, 1, 5);
            f.put(0, 5, GUEST + INDIRECT_AT, count * 16, 4, 0);
            for (int i = 0; i < count; i++) {
                f.put(INDIRECT_AT, i, GUEST + 0x20000 + i * 0x100L, 8, i == count - 1 ? 0 : 1, i + 1);
            }
            f.walk(3);
            assertEquals(4 + 8 * count, f.chain.readable().total());

            f.put(INDIRECT_AT, 50, GUEST, 8, 1, count);
            assertTrue(f.broken(3).contains("goes on at 100"));
            f.put(INDIRECT_AT, 50, GUEST, 8, 1, 50);
            assertTrue(f.broken(3).contains("loop"));
            f.put(INDIRECT_AT, 50, GUEST + INDIRECT_AT, 16, 4, 0);
            assertTrue(f.broken(3).contains("inside another"));
            for (int length : new int[] {0, 8, 17, 1025 * 16, -16}) {
                f.put(0, 5, GUEST + INDIRECT_AT, length, 4, 0);
                assertTrue(f.broken(3).contains("indirect table of"), Integer.toString(length));
            }
            f.put(0, 5, GUEST + RAM - 16, 32, 4, 0);
            assertTrue(f.broken(3).contains("has not"));
            f.put(0, 5, GUEST + INDIRECT_AT, 16, 5, 0);
            assertTrue(f.broken(3).contains("not its end"));
        }
        try (Fixture f = new Fixture(0)) {
            f.put(0, 0, GUEST + INDIRECT_AT, 16, 4, 0);
            assertTrue(f.broken(0).contains("not negotiated"));
        }
    }

    @org.junit.jupiter.api.Test
    void lengthsAndAddresses() throws Exception {
        try (Fixture f = new Fixture(0)) {
            long[][] bad = {
                {GUEST + RAM - 1, 2},
                {GUEST - 1, 2},
                {GUEST, -1},
                {-1, -1},
                {Long.MAX_VALUE, -1},
                {0, 1},
                {GUEST + RAM, 1}
            };
            for (long[] d : bad) {
                f.put(0, 0, d[0], (int) d[1], 0, 0);
                assertTrue(f.broken(0).contains("has not"), d[0] + "+" + d[1]);
            }
            f.put(0, 0, GUEST, 8, 3, 1);
            f.put(0, 1, GUEST, 8, 0, 0);
            assertTrue(f.broken(0).contains("after writable"));
            f.put(0, 0, GUEST, 8, 1, SIZE);
            assertTrue(f.broken(0).contains("goes on at 16 of 16"));
        }
    }

    /** Whatever a driver writes into its tables, a walk ends, and names the guest's memory only. */
    @Property(tries = 2000)
    void aWalkStaysInsideTheGuest(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        try (Fixture f = new Fixture(VirtioBlk.F_INDIRECT_DESC)) {
            for (int i = 0; i < SIZE; i++) {
                random(f, 0, i, random);
                random(f, INDIRECT_AT, i, random);
            }
            try {
                f.walk(random.nextInt(SIZE));
            } catch (BrokenRingException e) {
                return;
            }
            inside(f, f.chain.readable());
            inside(f, f.chain.writable());
        }
    }

    private static void random(Fixture f, long table, int i, Random random) {
        long address = switch (random.nextInt(8)) {
            case 0 -> random.nextLong();
            case 1 -> GUEST + RAM - random.nextInt(64);
            case 2, 3 -> GUEST + INDIRECT_AT;
            default -> GUEST + random.nextInt(RAM);
        };
        int length = random.nextInt(6) == 0 ? random.nextInt() : 16 * random.nextInt(18);
        int flags = random.nextInt(10) == 0 ? random.nextInt() : random.nextInt(10) == 0 ? 4 : random.nextInt(4);
        f.put(table, i, address, length, flags, random.nextInt(10) == 0 ? random.nextInt() : random.nextInt(SIZE));
    }

    private static void inside(Fixture f, Segments list) {
        long host = f.guest.contiguous(GUEST, RAM);
        long sum = 0;
        for (int i = 0; i < list.count(); i++) {
            assertTrue(list.address(i) >= host && list.address(i) + list.length(i) <= host + RAM);
            sum += list.length(i);
        }
        assertEquals(sum, list.total());
    }
}
