package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.memory.Memory;
import org.blktap.api.memory.Segments;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;

class GuestMemoryTest {
    private static final long HIGH = 5L << 30;

    @Test
    void addressesAreTranslated() throws Exception {
        try (TestMemory ram = new TestMemory(1 << 20);
                GuestMemory guest = new GuestMemory()) {
            // the guest's order is not the file's, and the offset is no multiple of a page
            guest.add(TestMemory.region(ram.fd, HIGH, 0x8000, 0x10000, 0x10200));
            guest.add(TestMemory.region(ram.fd, HIGH + 0x8000, 0x8000, 0x90000, 0));
            guest.add(TestMemory.region(ram.fd, 0, 0x1000, 0x200000, 0x80000));
            Memory.putInt(ram.address() + 0x10200 + 0x7ffc, 11);
            Memory.putInt(ram.address(), 22);

            Segments list = new Segments(4);
            assertTrue(guest.append(HIGH + 0x7ffc, 8, list, 8), "spans two neighbours");
            assertEquals(2, list.count());
            assertEquals(11, Memory.getInt(list.address(0)));
            assertEquals(22, Memory.getInt(list.address(1)));
            assertEquals(0, guest.contiguous(HIGH + 0x7ffc, 8));
            assertEquals(11, Memory.getInt(guest.contiguous(HIGH + 0x7ffc, 4)));
            assertEquals(22, Memory.getInt(guest.userRange(0x90000, 0x8000)));
            assertEquals(0, guest.userRange(0x90000, 0x8001));
            assertEquals(0, guest.userRange(0x90000, -1));
            assertEquals(0, guest.userRange(0x8ffff, 1));
            assertEquals(0, guest.contiguous(HIGH, -1));

            assertFalse(guest.append(HIGH + 0xfffc, 8, list, 8), "past the end");
            assertFalse(guest.append(0x1000, 1, list, 8), "a hole");
            assertFalse(guest.append(-4096, 8192, list, 8), "wraps around");
            assertFalse(guest.append(Long.MAX_VALUE, 0xffffffffL, list, 8));
            assertTrue(guest.append(-1, 0, list, 8), "nothing is nowhere");

            assertThrows(
                    ProtocolException.class, () -> guest.add(TestMemory.region(ram.fd, HIGH + 0x7fff, 1, 0x999000, 0)));
            assertThrows(
                    ProtocolException.class, () -> guest.add(TestMemory.region(ram.fd, 0x100000, 0x1000, 0x200fff, 0)));
            assertEquals(3, guest.count());
            assertEquals(0x11000, guest.bytes());
        }
    }

    @Test
    void hostileRegionsAreRefused() {
        try (TestMemory ram = new TestMemory(1 << 20);
                Mapping pair = Mapping.anonymous(64)) {
            long[][] bad = {
                {0, 0, 0, 0},
                {0, -1, 0, 0},
                {0, (1 << 20) + 1, 0, 0},
                {0, 4096, 0, 1 << 20},
                {0, 4096, 0, -4096},
                {0, 4096, 0, Long.MAX_VALUE},
                {Long.MAX_VALUE, 4096, 0, 0},
                {-4096, 4096, 0, 0},
                {0, 4096, Long.MAX_VALUE - 1, 0},
                {0, Long.MAX_VALUE, 0, 4096},
                {0, 4096, -1, 0}
            };
            for (long[] r : bad) {
                assertThrows(
                        ProtocolException.class,
                        () -> TestMemory.region(ram.fd, r[0], r[1], r[2], r[3]),
                        java.util.Arrays.toString(r));
            }
            Libc.pipe2(pair.address(), Libc.O_CLOEXEC);
            int pipe = Memory.getInt(pair.address());
            assertThrows(ProtocolException.class, () -> TestMemory.region(pipe, 0, 4096, 0, 0));
            Libc.close(pipe);
            Libc.close(Memory.getInt(pair.address() + 4));
            assertThrows(ProtocolException.class, () -> TestMemory.region(-1, 0, 4096, 0, 0));
        }
    }
}
