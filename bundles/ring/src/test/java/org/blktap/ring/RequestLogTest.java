package org.blktap.ring;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;
import org.blktap.ring.sim.FrontRing;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class RequestLogTest {
    private static final int ENTRIES = 32;
    private static final long IDENTITY = 42;
    // the log's own layout
    private static final int OWNERS = 64;
    private static final int SLOTS = OWNERS + 4 * ENTRIES;
    private static final int SLOT_BYTES = 128;

    private final Mapping shared = Mapping.anonymous(2 * 4096);
    private final Mapping record = Mapping.anonymous(RequestLog.bytes(64));
    private final Mapping copies = Mapping.anonymous(RequestLog.copyBytes(64));
    private final long at = record.address();
    private final FrontRing front = new FrontRing(shared.address(), 1, Abi.X86_64);
    private BackRing ring;
    private RequestLog log;

    @BeforeEach
    void begin() throws Exception {
        front.initialize();
        assertArrayEquals(new int[0], restart());
    }

    @AfterEach
    void close() {
        shared.close();
        record.close();
        copies.close();
    }

    /** As a new process would. */
    private int[] restart() throws RingException {
        ring = new BackRing(shared.address(), 1, Abi.X86_64);
        log = new RequestLog(at, ENTRIES, Abi.X86_64, copies.address());
        return log.open(IDENTITY, ring);
    }

    private int[] take(int count) throws RingException {
        for (int i = 0; i < count; i++) {
            front.request(Blkif.READ, 100 + i, 0);
        }
        front.push();
        assertTrue(ring.waiting() >= count);
        int[] slots = new int[count];
        for (int i = 0; i < count; i++) {
            slots[i] = log.take(ring);
        }
        log.consumed(ring);
        return slots;
    }

    private void answer(int... slots) {
        for (int slot : slots) {
            ring.respond(Memory.getLong(log.request(slot) + 8), 0, 0);
            log.answered(slot, ring);
        }
        ring.push();
        log.published(ring);
    }

    private String refused() {
        String message = assertThrows(RingException.class, this::restart).getMessage();
        assertThrows(IllegalStateException.class, () -> ring.respond(0, 0, 0), "not started");
        return message;
    }

    private void refused(String... words) throws RingException {
        String message = refused();
        for (String word : words) {
            assertTrue(message.contains(word), message);
        }
        assertArrayEquals(new int[0], restart(), "forgotten");
        assertEquals(ring.sharedResponseProducer(), ring.requestConsumer());
    }

    @Test
    void allSlotsInUse() throws Exception {
        int[] slots = take(ENTRIES);
        assertEquals(ENTRIES, Arrays.stream(slots).distinct().count());
        assertEquals(0, ring.waiting());
        assertArrayEquals(slots, restart());
        answer(slots[5], slots[0]);
        int[] left = restart();
        assertEquals(ENTRIES - 2, left.length);
        assertEquals(slots[1], left[0]);
        assertEquals(slots[31], left[29]);
        while (front.next()) {
            front.id();
        }
        take(2);
        assertEquals(ENTRIES, restart().length);
    }

    @Test
    void givenBack() throws Exception {
        int[] slots = take(3);
        assertThrows(IllegalStateException.class, () -> log.giveBack(slots[2]), "still consumed");
        ring.untake(2);
        log.consumed(ring);
        log.giveBack(slots[1]);
        log.giveBack(slots[2]);
        assertThrows(IllegalStateException.class, () -> log.giveBack(slots[0]));
        assertEquals(2, ring.waiting());
        assertArrayEquals(new int[] {slots[0]}, restart());
        assertEquals(2, ring.waiting());
        assertEquals(101, Memory.getLong(log.request(log.take(ring)) + 8));
    }

    @Test
    void anotherConnectionBeginsAnew() throws Exception {
        take(3);
        BackRing other = new BackRing(shared.address(), 1, Abi.X86_64);
        assertEquals(0, new RequestLog(at, ENTRIES, Abi.X86_64, copies.address()).open(IDENTITY + 1, other).length);
        assertEquals(0, other.requestConsumer());
        assertEquals(3, other.waiting());
        // of another size, of another ABI
        take(3);
        other = new BackRing(shared.address(), 2, Abi.X86_64);
        assertEquals(0, new RequestLog(at, 64, Abi.X86_64, copies.address()).open(IDENTITY + 1, other).length);
        other = new BackRing(shared.address(), 1, Abi.X86_32);
        assertEquals(0, new RequestLog(at, ENTRIES, Abi.X86_32, copies.address()).open(IDENTITY + 1, other).length);
    }

    @Test
    void aLogOfAnotherRing() {
        for (BackRing other : new BackRing[] {
            new BackRing(shared.address(), 2, Abi.X86_64), new BackRing(shared.address(), 1, Abi.X86_32)
        }) {
            assertThrows(IllegalArgumentException.class, () -> log.open(IDENTITY, other));
        }
    }

    @Test
    void whereNobodyKeptALog() throws Exception {
        front.initialize(-7);
        Memory.fill(at, record.size(), (byte) 0);
        assertEquals(0, restart().length);
        assertEquals(-7, ring.requestConsumer());
        assertEquals(-7, ring.responseProducer());
        assertEquals(0, ring.waiting());
    }

    @Test
    void notALog() throws Exception {
        Memory.putByte(at, (byte) 'B');
        refused("0x72587061746b6c42", "0x72587061746b6c62");
        Memory.putInt(at + 8, 2);
        refused("version 2", "version 1");
    }

    @Test
    void damagedSlots() throws Exception {
        int[] slots = take(4);
        long third = at + SLOTS + (long) SLOT_BYTES * slots[3];
        Memory.putInt(third, 2);
        refused("slot " + slots[3], "state 2");
        slots = take(4);
        Memory.putInt(at + SLOTS + (long) SLOT_BYTES * slots[2] + 4, 1);
        refused("" + slots[2], "" + slots[1], "same index 1");
        slots = take(4);
        Memory.putInt(at + SLOTS + (long) SLOT_BYTES * slots[0], 0);
        refused("3 requests", "expected 4");
        take(4);
        Memory.putInt(at + 32, 20);
        refused("4 requests", "expected 20");
        take(4);
        Memory.putInt(at + 32, -1);
        refused("expected -1");
    }

    @Test
    void damagedOwners() throws Exception {
        for (int bad : new int[] {ENTRIES, -1, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            front.initialize();
            Memory.fill(at, record.size(), (byte) 0);
            restart();
            int[] slots = take(2);
            ring.respond(100, 0, 0);
            log.answered(slots[0], ring);
            ring.push();
            Memory.putInt(at + OWNERS, bad);
            refused("response 0", "slot " + bad);
        }
    }

    /** Another program may write into the file: what is under way does not read it back. */
    @Test
    void whatIsWrittenIntoTheRecordMeanwhileChangesNothing() throws Exception {
        for (int round = 0; round < 3; round++) {
            int[] slots = take(5);
            Memory.fill(at, record.size(), (byte) 0xff);
            for (int i = 0; i < 5; i++) {
                assertEquals(100 + i, Memory.getLong(log.request(slots[i]) + 8));
            }
            ring.respond(100, 0, 0);
            log.answered(slots[0], ring);
            Memory.fill(at, record.size(), (byte) 0x7f);
            ring.push();
            log.published(ring);
            ring.untake(1);
            log.consumed(ring);
            log.giveBack(slots[4]);
            assertEquals(1, ring.waiting());
            int again = log.take(ring);
            log.consumed(ring);
            assertEquals(104, Memory.getLong(log.request(again) + 8));
            answer(slots[1], slots[2], slots[3], again);
            while (front.next()) {
                assertEquals(0, front.status());
            }
        }
    }

    @Test
    void aScribblingFrontend() throws Exception {
        take(4);
        front.scribbleResponseProducer(ENTRIES + 1);
        assertTrue(refused().contains("33"));
        front.initialize();
        restart();
        take(4);
        front.scribbleResponseProducer(-1);
        assertTrue(refused().contains("4294967295"));
        front.initialize();
        restart();
        take(4);
        // owners never noted: slot 0 over and over
        front.scribbleResponseProducer(3);
        assertTrue(refused().contains("expected 1"));
    }

    /**
     * Whatever a file or a frontend holds, what comes back are different slots, of as many requests as the ring says.
     */
    @Test
    void anythingAtAll() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("damaged logs: seed " + seed);
        Random random = new Random(seed);
        int good = 0;
        int bad = 0;
        for (int round = 0; round < 8_000; round++) {
            front.initialize(random.nextInt(5) - 2);
            Memory.fill(at, record.size(), (byte) 0);
            restart();
            int[] slots = take(1 + random.nextInt(ENTRIES));
            answer(Arrays.copyOf(slots, random.nextInt(slots.length + 1)));
            for (int i = random.nextInt(3); i >= 0; i--) {
                int where = random.nextInt(4) == 0
                        ? random.nextInt(OWNERS)
                        : random.nextInt((int) RequestLog.bytes(ENTRIES));
                Memory.putByte(at + where, (byte) (random.nextBoolean() ? random.nextInt(3) : random.nextInt()));
            }
            if (random.nextInt(4) == 0) {
                front.scribbleResponseProducer(random.nextInt(ENTRIES * 2) - ENTRIES / 2);
            }
            try {
                int[] left = restart();
                assertEquals(left.length, Arrays.stream(left).distinct().count());
                assertTrue(Arrays.stream(left).allMatch(slot -> slot >= 0 && slot < ENTRIES));
                assertEquals(left.length, ring.requestConsumer() - ring.responseProducer());
                good++;
            } catch (RingException e) {
                assertEquals(0, restart().length);
                bad++;
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed + ", round " + round, e);
            }
        }
        assertTrue(good > 300 && bad > 300, good + " good, " + bad + " bad");
    }
}
