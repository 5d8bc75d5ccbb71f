package org.blktap.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;
import org.blktap.ring.sim.FrontRing;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BackRingTest {
    private final Mapping memory = Mapping.anonymous(17 * 4096);
    private final long shared = memory.address();
    private final long copy = shared + 16 * 4096;

    @AfterEach
    void close() {
        memory.close();
    }

    @Test
    void entriesOfEachSize() {
        for (Abi abi : Abi.values()) {
            for (int pages = 1; pages <= 16; pages++) {
                int fits = (pages * 4096 - 64) / (abi == Abi.X86_64 ? 112 : 108);
                int found = new BackRing(shared, pages, abi).entries();
                assertTrue(
                        found <= fits && found * 2 > fits && Integer.bitCount(found) == 1,
                        abi + " of " + pages + ": " + found);
            }
            for (int order = 0; order <= 4; order++) {
                assertEquals(32 << order, abi.entries(1 << order));
            }
            assertThrows(IllegalArgumentException.class, () -> new BackRing(shared, 0, abi));
            assertThrows(IllegalArgumentException.class, () -> new BackRing(shared, 17, abi));
        }
    }

    @Test
    void protocols() {
        assertEquals(Abi.X86_64, Abi.of(null));
        assertEquals(Abi.X86_64, Abi.of("x86_64-abi"));
        assertEquals(Abi.X86_64, Abi.of("arm-abi"));
        assertEquals(Abi.X86_32, Abi.of("x86_32-abi"));
        String message = assertThrows(IllegalArgumentException.class, () -> Abi.of("x86_128-abi"))
                .getMessage();
        assertTrue(message.contains("x86_128-abi") && message.contains("arm-abi"), message);
    }

    private void fill(long address, int bytes, int value) {
        for (int i = 0; i < bytes; i++) {
            Memory.putByte(address + i, (byte) value);
        }
    }

    /** Offsets as compiled from Xen's headers. */
    @ParameterizedTest
    @EnumSource
    void layout(Abi abi) throws Exception {
        int entry = abi == Abi.X86_64 ? 112 : 108;
        assertEquals(entry, abi.requestBytes());
        assertEquals(abi == Abi.X86_64 ? 16 : 12, abi.responseBytes());
        BackRing ring = new BackRing(shared, 1, abi);
        for (int i = 0; i < 2 * entry; i++) {
            Memory.putByte(shared + 64 + i, (byte) (i + 1));
        }
        Memory.putInt(shared, 2);
        assertEquals(2, ring.waiting());
        for (int n = 0; n < 2; n++) {
            fill(copy, 120, 0x5a);
            ring.take(copy);
            for (int i = 0; i < 112; i++) {
                assertEquals(
                        i < entry ? (byte) (n * entry + i + 1) : 0,
                        Memory.getByte(copy + i),
                        "byte " + i + " of request " + n);
            }
            assertEquals(0x5a, Memory.getByte(copy + 112), "no more than a copy's bytes");
        }
        assertEquals(2, ring.requestConsumer());
        fill(shared + 64, 2 * entry, 0x77);
        ring.respond(0x1122334455667788L, 3, Blkif.ERROR);
        ring.respond(5, 0xfe, Blkif.EOPNOTSUPP);
        for (int n = 0; n < 2; n++) {
            long at = shared + 64 + (long) n * entry;
            assertEquals(n == 0 ? 0x1122334455667788L : 5, Memory.getLong(at));
            assertEquals((byte) (n == 0 ? 3 : 0xfe), Memory.getByte(at + 8));
            assertEquals(0, Memory.getByte(at + 9), "padding");
            assertEquals(n == 0 ? -1 : -2, Memory.getShort(at + 10));
            if (abi == Abi.X86_64) {
                assertEquals(0, Memory.getInt(at + 12), "padding");
            }
            assertEquals(0x77, Memory.getByte(at + abi.responseBytes()), "no more than a response's bytes");
        }
        assertEquals(0, Memory.getInt(shared + 8), "not shown yet");
        assertEquals(2, ring.responseProducer());
        ring.push();
        assertEquals(2, Memory.getInt(shared + 8));
        assertEquals(2, ring.sharedResponseProducer());
        assertFalse(ring.arm());
        assertEquals(3, Memory.getInt(shared + 4), "req_event");
    }

    @ParameterizedTest
    @EnumSource
    void aProducerThatCannotBe(Abi abi) throws Exception {
        for (int begin : new int[] {0, 7, -3, Integer.MAX_VALUE - 1}) {
            FrontRing front = new FrontRing(shared, 1, abi);
            front.initialize(begin);
            BackRing ring = new BackRing(shared, 1, abi);
            ring.start(begin, begin);
            front.scribbleProducer(begin + 32);
            assertEquals(32, ring.waiting());
            for (int producer : new int[] {begin + 33, begin - 1, begin + Integer.MIN_VALUE}) {
                front.scribbleProducer(producer);
                RingException e = assertThrows(RingException.class, ring::waiting);
                assertTrue(e.getMessage().contains(Integer.toUnsignedString(producer)), e.getMessage());
                assertThrows(RingException.class, ring::arm);
            }
            // taken back
            front.scribbleProducer(begin + 5);
            ring.waiting();
            ring.take(copy);
            ring.take(copy);
            front.scribbleProducer(begin + 1);
            assertThrows(RingException.class, ring::waiting);
            // not answered in the frontend's eyes before they are shown
            ring.respond(0, 0, 0);
            front.scribbleProducer(begin + 33);
            assertThrows(RingException.class, ring::waiting);
            ring.push();
            assertEquals(31, ring.waiting());
        }
    }

    @Test
    void noMoreIsTakenOrAnsweredThanThereIs() throws Exception {
        FrontRing front = new FrontRing(shared, 1, Abi.X86_64);
        front.initialize();
        BackRing ring = new BackRing(shared, 1, Abi.X86_64);
        assertThrows(IllegalStateException.class, () -> ring.take(copy));
        assertThrows(IllegalStateException.class, () -> ring.respond(0, 0, 0));
        front.request(Blkif.READ, 1, 0);
        front.request(Blkif.READ, 2, 0);
        front.push();
        assertEquals(2, ring.waiting());
        ring.take(copy);
        ring.take(copy);
        assertThrows(IllegalStateException.class, () -> ring.take(copy));
        ring.untake(1);
        assertEquals(1, ring.waiting());
        ring.take(copy);
        assertEquals(2, Memory.getLong(copy + 8));
        ring.respond(1, 0, 0);
        assertThrows(IllegalArgumentException.class, () -> ring.untake(2));
        assertThrows(IllegalArgumentException.class, () -> ring.start(33, 0));
        assertThrows(IllegalArgumentException.class, () -> ring.start(0, 1));
        ring.start(32, 0);
    }

    @ParameterizedTest
    @EnumSource
    void notifications(Abi abi) throws Exception {
        for (int begin : new int[] {0, -2}) {
            FrontRing front = new FrontRing(shared, 1, abi);
            front.initialize(begin);
            BackRing ring = new BackRing(shared, 1, abi);
            ring.start(begin, begin);
            front.request(Blkif.READ, 1, 0);
            assertTrue(front.push(), "the first");
            front.request(Blkif.READ, 2, 0);
            front.request(Blkif.READ, 3, 0);
            assertFalse(front.push(), "nobody asked");
            assertEquals(3, ring.waiting());
            for (int i = 0; i < 3; i++) {
                ring.take(copy);
            }
            assertFalse(ring.arm());
            front.request(Blkif.READ, 4, 0);
            assertTrue(front.push(), "asked for");
            assertTrue(ring.arm(), "one waits");
            assertFalse(ring.push(), "nothing new");
            ring.respond(3, 0, 0);
            assertTrue(ring.push(), "the first");
            ring.respond(2, 0, 0);
            assertFalse(ring.push(), "not asked for");
            assertTrue(front.next());
            assertEquals(3, front.id());
            assertTrue(front.arm(), "there is one");
            assertTrue(front.next());
            assertFalse(front.arm());
            ring.respond(1, 0, 0);
            assertTrue(ring.push(), "asked for");
            assertTrue(front.next());
            assertFalse(front.next());
        }
    }
}
