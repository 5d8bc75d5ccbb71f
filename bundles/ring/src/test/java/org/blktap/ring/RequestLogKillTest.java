package org.blktap.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.function.LongPredicate;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;
import org.blktap.ring.sim.FrontRing;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A backend that is killed after any of its stores, as often as one likes, and started again on what is left in memory.
 * The frontend lives on, and gets each request answered exactly once.
 */
class RequestLogKillTest {
    private static final int PAGES = 1;
    private static final int ENTRIES = 32;
    private static final int REQUESTS = 150;
    private static final long IDENTITY = 0x1234_5678_9abcL;

    private final Mapping shared = Mapping.anonymous(PAGES * 4096);
    private final Mapping record = Mapping.anonymous(RequestLog.bytes(ENTRIES));
    private final Mapping copies = Mapping.anonymous(RequestLog.copyBytes(ENTRIES));

    @AfterEach
    void close() {
        shared.close();
        record.close();
        copies.close();
    }

    private static final class Killed extends Error {
        private static final long serialVersionUID = 1;

        Killed() {
            super(null, null, false, false);
        }
    }

    /** One life of a frontend, with as many of the backend as it takes. */
    private final class Life {
        private final Random random;
        /** Whether to die after the store of this number. */
        private final LongPredicate deadly;

        private final Abi abi;
        private final FrontRing front;
        private long stores;
        private int deaths;

        // what the frontend and the disk know, which a kill does not touch
        private int produced;
        private final BitSet answered = new BitSet();
        private final BitSet submitted = new BitSet();

        // a process
        private BackRing ring;
        private RequestLog log;
        private final BlkRequest request = new BlkRequest();
        private List<Integer> inFlight;

        Life(Abi abi, long seed, LongPredicate deadly) {
            this.abi = abi;
            this.random = new Random(seed);
            this.deadly = deadly;
            front = new FrontRing(shared.address(), PAGES, abi);
            // the indexes pass the greatest on the way, as unsigned or as signed numbers
            front.initialize((abi == Abi.X86_64 ? 0 : Integer.MIN_VALUE) - REQUESTS / 2);
            Memory.fill(record.address(), record.size(), (byte) 0);
        }

        private void stored() {
            if (deadly.test(stores++)) {
                throw new Killed();
            }
        }

        /** The log's memory; after each store is a time to die. */
        private final class Mortal extends LogMemory {
            Mortal() {
                super(record.address(), ENTRIES);
            }

            @Override
            void magic(long value) {
                super.magic(value);
                stored();
            }

            @Override
            void describe(int entries, int requestBytes, long identity) {
                super.describe(entries, requestBytes, identity);
                stored();
            }

            @Override
            void consumer(int value) {
                super.consumer(value);
                stored();
            }

            @Override
            void responseProducer(int value) {
                super.responseProducer(value);
                stored();
            }

            @Override
            void owner(int entry, int slot) {
                super.owner(entry, slot);
                stored();
            }

            @Override
            void state(int slot, int value) {
                super.state(slot, value);
                stored();
            }

            @Override
            void index(int slot, int value) {
                // the copy is there, even its index is not
                stored();
                super.index(slot, value);
                stored();
            }
        }

        int run() throws RingException {
            while (answered.cardinality() < REQUESTS) {
                produce();
                try {
                    if (ring == null) {
                        boot();
                    }
                    turn();
                } catch (Killed e) {
                    deaths++;
                    ring = null;
                }
                consume();
            }
            assertEquals(0, front.outstanding());
            return deaths;
        }

        private void produce() {
            int count = Math.min(REQUESTS - produced, random.nextInt(front.free() + 1));
            for (int i = 0; i < count; i++) {
                front.request(Blkif.WRITE, produced, produced * 8L);
                front.segment(produced * 3, 0, 7);
                produced++;
            }
            front.push();
        }

        private void consume() {
            while (front.next()) {
                int id = (int) front.id();
                assertFalse(answered.get(id), id + " is answered twice");
                assertTrue(id < produced && submitted.get(id), id + " is answered, but was not submitted");
                assertEquals(Blkif.WRITE, front.operation());
                assertEquals(id, -front.status());
                answered.set(id);
            }
        }

        private void boot() throws RingException {
            BackRing newRing = new BackRing(shared.address(), PAGES, abi);
            // what the dead process had of its own is gone
            Memory.fill(copies.address(), copies.size(), (byte) 0xee);
            log = new RequestLog(new Mortal(), ENTRIES, abi, copies.address());
            int[] left = log.open(IDENTITY, newRing);
            inFlight = new ArrayList<>();
            int before = -1;
            BitSet owed = (BitSet) submitted.clone();
            owed.andNot(answered);
            for (int slot : left) {
                int id = submit(slot);
                assertTrue(id > before, id + " after " + before);
                before = id;
                assertFalse(answered.get(id), id + " was answered before");
                owed.clear(id);
                inFlight.add(slot);
            }
            assertTrue(owed.isEmpty(), owed + " are lost");
            ring = newRing;
        }

        /** Checks the request, as the disk would get it. */
        private int submit(int slot) {
            request.decode(log.request(slot), abi);
            assertTrue(request.wellFormed());
            int id = (int) request.id();
            assertEquals(id * 8L, request.sector());
            assertEquals(id * 3, request.gref(0));
            submitted.set(id);
            return id;
        }

        private void turn() throws RingException {
            int waiting = ring.waiting();
            int taking = waiting == 0 ? 0 : 1 + random.nextInt(waiting);
            List<Integer> taken = new ArrayList<>();
            for (int i = 0; i < taking; i++) {
                taken.add(log.take(ring));
            }
            log.consumed(ring);
            int back = random.nextInt(3) == 0 && taking > 0 ? random.nextInt(taking) + 1 : 0;
            int kept = taking - back;
            taken.subList(0, kept).forEach(this::submit);
            inFlight.addAll(taken.subList(0, kept));
            if (back > 0) {
                ring.untake(back);
                log.consumed(ring);
                taken.subList(kept, taking).forEach(log::giveBack);
            }
            int answers = inFlight.isEmpty() ? 0 : random.nextInt(inFlight.size() + 1);
            for (int i = 0; i < answers; i++) {
                int which = random.nextInt(inFlight.size());
                request.decode(log.request(inFlight.get(which)), abi);
                // some are slow, so that the ring goes round before they are answered
                if (request.id() % 29 == 3 && produced < REQUESTS) {
                    continue;
                }
                int slot = inFlight.remove(which);
                ring.respond(request.id(), request.answeredOperation(), (int) -request.id());
                stored();
                log.answered(slot, ring);
            }
            ring.push();
            stored();
            log.published(ring);
        }
    }

    @ParameterizedTest
    @EnumSource
    void onceAtEachStore(Abi abi) throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("killed once at each store, " + abi + ": seed " + seed);
        long at = -1;
        int deaths;
        do {
            at++;
            long when = at;
            deaths = live(abi, seed, store -> store == when, "at store " + when);
            assertTrue(deaths <= 1);
        } while (deaths > 0);
        assertTrue(at > 6 * REQUESTS, "only " + at + " stores");
    }

    @ParameterizedTest
    @EnumSource
    void onceMoreSoonAfter(Abi abi) throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("killed twice, " + abi + ": seed " + seed);
        Random random = new Random(seed);
        int deaths = 0;
        for (int i = 0; i < 500; i++) {
            long first = random.nextInt(7 * REQUESTS);
            long second = first + 1 + random.nextInt(40);
            deaths += live(
                    abi, seed + i, store -> store == first || store == second, "at stores " + first + ", " + second);
        }
        // some lives are over before the second
        assertTrue(deaths > 700, deaths + " deaths");
    }

    @Test
    void overAndOver() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("killed over and over: seed " + seed);
        Random random = new Random(seed);
        int deaths = 0;
        for (int i = 0; i < 500; i++) {
            // a start takes up to some seventy stores
            int once = 30 + random.nextInt(200);
            deaths += live(
                    Abi.values()[i & 1],
                    seed + i,
                    store -> random.nextInt(once) == 0,
                    "in 1 of " + once + " stores, run " + i);
        }
        assertTrue(deaths > 500);
    }

    private int live(Abi abi, long seed, LongPredicate deadly, String what) {
        Life life = new Life(abi, seed, deadly);
        try {
            return life.run();
        } catch (RingException | RuntimeException | AssertionError e) {
            throw new AssertionError("seed " + seed + ", " + abi + ", killed " + what + ": " + e.getMessage(), e);
        }
    }
}
