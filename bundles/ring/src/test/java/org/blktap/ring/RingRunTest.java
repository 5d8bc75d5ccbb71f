package org.blktap.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.blktap.linux.Mapping;
import org.blktap.ring.sim.FrontRing;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A frontend and a backend on threads of their own, with nothing between them but the ring and its event channels: who
 * has nothing to do sleeps until it is notified, so that a notification that is missing ends the test.
 */
class RingRunTest {
    /** How long each runs, but for a least number of requests; the limit is for waiting only. */
    private static final long REQUESTS_LEAST = 20_000;

    private static final long RUN_NANOS = TimeUnit.MILLISECONDS.toNanos(Long.getLong("ring.run.millis", 1250));
    private static final long LIMIT_SECONDS = 90;

    private final Semaphore toBackend = new Semaphore(0);
    private final Semaphore toFrontend = new Semaphore(0);
    private volatile Throwable backendFailed;
    private volatile boolean over;
    /** Written so that idling is not optimized away. */
    private int idle;

    private static void await(Semaphore channel) throws InterruptedException {
        assertTrue(channel.tryAcquire(LIMIT_SECONDS, TimeUnit.SECONDS), "a notification was lost");
        channel.drainPermits();
    }

    /** What the request of an id is made of: both sides compute it. */
    private static long mix(long id, int what) {
        long x = (id + 1) * 0x9e3779b97f4a7c15L + what * 0xbf58476d1ce4e5b9L;
        x = (x ^ x >>> 30) * 0xbf58476d1ce4e5b9L;
        x = (x ^ x >>> 27) * 0x94d049bb133111ebL;
        return x ^ x >>> 31;
    }

    private static int operation(long id) {
        return switch ((int) (mix(id, 0) & 15)) {
            case 0 -> Blkif.DISCARD;
            case 1 -> Blkif.FLUSH_DISKCACHE;
            case 2 -> Blkif.INDIRECT;
            default -> (int) (mix(id, 0) >>> 8 & 1);
        };
    }

    private static int segments(long id) {
        return 1 + (int) (mix(id, 1) & 0x7fffffff) % 11;
    }

    private static int first(long id, int i) {
        return (int) mix(id, 10 + i) & 3;
    }

    private static int last(long id, int i) {
        return 4 + ((int) mix(id, 30 + i) & 3);
    }

    private static int status(long id) {
        return -(int) (mix(id, 2) & 0x7fff);
    }

    private static void write(FrontRing front, long id) {
        long sector = mix(id, 3) >>> 12;
        switch (operation(id)) {
            case Blkif.DISCARD -> front.discard(id, sector, 1 + (mix(id, 4) >>> 12), 0);
            case Blkif.FLUSH_DISKCACHE -> front.request(Blkif.FLUSH_DISKCACHE, id, sector);
            case Blkif.INDIRECT -> front.indirect(1, id, sector, segments(id), (int) mix(id, 5));
            default -> {
                front.request(operation(id), id, sector);
                for (int i = 0; i < segments(id); i++) {
                    front.segment((int) mix(id, 50 + i), first(id, i), last(id, i));
                }
            }
        }
    }

    private static void compare(BlkRequest request, long id) {
        assertNull(request.problem());
        assertEquals(id, request.id());
        assertEquals(operation(id), request.operation());
        assertEquals(mix(id, 3) >>> 12, request.sector());
        switch (operation(id)) {
            case Blkif.DISCARD -> assertEquals(1 + (mix(id, 4) >>> 12), request.discardSectors());
            case Blkif.FLUSH_DISKCACHE -> assertEquals(0, request.segmentCount());
            case Blkif.INDIRECT -> {
                assertEquals(segments(id), request.segmentCount());
                assertEquals((int) mix(id, 5), request.indirectGref(0));
            }
            default -> {
                assertEquals(segments(id), request.segmentCount());
                for (int i = 0; i < segments(id); i++) {
                    assertEquals((int) mix(id, 50 + i), request.gref(i));
                    assertEquals(first(id, i), request.firstSector(i));
                    assertEquals(last(id, i), request.lastSector(i));
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"X86_64,1", "X86_32,1", "X86_64,2", "X86_32,4", "X86_64,16", "X86_32,16", "X86_64,3", "X86_32,8"})
    void randomRequests(Abi abi, int pages) throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        // about to wrap
        int begin = -1000;
        int entries = abi.entries(pages);
        try (Mapping memory = Mapping.anonymous(pages * 4096);
                Mapping log = Mapping.anonymous(RequestLog.bytes(entries));
                Mapping copies = Mapping.anonymous(RequestLog.copyBytes(entries))) {
            FrontRing front = new FrontRing(memory.address(), pages, abi);
            front.initialize(begin);
            BackRing back = new BackRing(memory.address(), pages, abi);
            Thread backend = new Thread(
                    () -> {
                        try {
                            serve(
                                    back,
                                    new RequestLog(log.address(), entries, abi, copies.address()),
                                    new Random(seed));
                        } catch (Throwable e) {
                            backendFailed = e;
                            toFrontend.release();
                        }
                    },
                    "backend");
            backend.start();
            long requests;
            try {
                requests = drive(front, new Random(~seed));
            } finally {
                over = true;
                toBackend.release();
                backend.join(TimeUnit.SECONDS.toMillis(LIMIT_SECONDS));
                assertFalse(backend.isAlive(), "the backend does not end");
            }
            assertNull(backendFailed);
            assertTrue(requests >= REQUESTS_LEAST);
            System.out.println(abi + ", " + pages + " pages: " + requests + " requests, seed " + seed);
        } catch (Throwable e) {
            throw new AssertionError(
                    "seed " + seed + ", backend: " + backendFailed, backendFailed != null ? backendFailed : e);
        }
    }

    /** Everything at random: how many at once, when to look, when to sleep. */
    private long drive(FrontRing front, Random random) throws Exception {
        // ids are numbered on, but for the low bits, which are those of a free tag
        boolean[] open = new boolean[front.entries()];
        long[] ids = new long[front.entries()];
        int[] free = new int[front.entries()];
        for (int i = 0; i < free.length; i++) {
            free[i] = i;
        }
        int freeCount = free.length;
        long next = 0;
        long answered = 0;
        long end = System.nanoTime() + RUN_NANOS;
        boolean more = true;
        while (more || front.outstanding() > 0) {
            assertNull(backendFailed);
            more = more && (System.nanoTime() < end || next < REQUESTS_LEAST);
            int count =
                    more ? random.nextInt(1 + (random.nextInt(4) == 0 ? front.free() : Math.min(front.free(), 4))) : 0;
            for (int i = 0; i < count; i++) {
                int tag = free[--freeCount];
                ids[tag] = next++ * front.entries() + tag;
                open[tag] = true;
                write(front, ids[tag]);
            }
            if (front.push()) {
                toBackend.release();
            }
            int taken = 0;
            while (random.nextInt(8) != 0 && front.next()) {
                int tag = (int) (front.id() % front.entries());
                assertTrue(open[tag], "answered twice");
                assertEquals(ids[tag], front.id());
                assertEquals(operation(ids[tag]) == Blkif.INDIRECT ? 1 : operation(ids[tag]), front.operation());
                assertEquals(status(ids[tag]), front.status());
                assertEquals(0, front.padding());
                open[tag] = false;
                free[freeCount++] = tag;
                taken++;
                answered++;
            }
            boolean full = front.free() == 0 || !more;
            if (taken == 0 && front.outstanding() > 0 && (full || random.nextInt(3) == 0) && !front.arm()) {
                await(toFrontend);
            }
        }
        assertEquals(next, answered);
        return answered;
    }

    private void serve(BackRing ring, RequestLog log, Random random) throws Exception {
        assertEquals(0, log.open(1, ring).length);
        BlkRequest request = new BlkRequest();
        int[] inFlight = new int[ring.entries()];
        int count = 0;
        while (!over) {
            int waiting = ring.waiting();
            int taking = waiting == 0 ? 0 : 1 + random.nextInt(waiting);
            for (int i = 0; i < taking; i++) {
                inFlight[count++] = log.take(ring);
            }
            int back = taking > 0 && random.nextInt(8) == 0 ? random.nextInt(taking) : 0;
            log.consumed(ring);
            if (back > 0) {
                ring.untake(back);
                log.consumed(ring);
                for (int i = 0; i < back; i++) {
                    log.giveBack(inFlight[--count]);
                }
            }
            for (int i = count - (taking - back); i < count; i++) {
                request.decode(log.request(inFlight[i]), ring.abi());
                compare(request, request.id());
            }
            int answering = count == 0 ? 0 : Math.min(count, random.nextInt(4) == 0 ? count : 1 + random.nextInt(4));
            for (int i = 0; i < answering; i++) {
                int which = random.nextInt(count);
                int slot = inFlight[which];
                inFlight[which] = inFlight[--count];
                // from the copy again: nobody may have changed it
                request.decode(log.request(slot), ring.abi());
                ring.respond(request.id(), request.answeredOperation(), status(request.id()));
                log.answered(slot, ring);
            }
            if (ring.push()) {
                toFrontend.release();
            }
            log.published(ring);
            if (count == 0 && !ring.arm() && !over) {
                await(toBackend);
            }
        }
        assertEquals(0, count);
    }

    /**
     * One request at a time, produced when the backend is just about to sleep, and answered when the frontend is: what
     * the full barriers between an index and the other side's wish are for.
     */
    @Test
    void atTheMomentOfSleeping() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        try (Mapping memory = Mapping.anonymous(2 * 4096)) {
            FrontRing front = new FrontRing(memory.address(), 1, Abi.X86_64);
            front.initialize();
            BackRing ring = new BackRing(memory.address(), 1, Abi.X86_64);
            Thread backend = new Thread(
                    () -> {
                        Random random = new Random(~seed);
                        try {
                            while (!over) {
                                while (ring.waiting() > 0) {
                                    ring.take(memory.address() + 4096);
                                    ring.respond(0, 0, 0);
                                    if (ring.push()) {
                                        toFrontend.release();
                                    }
                                }
                                dawdle(random);
                                if (!ring.arm() && !over) {
                                    spin(toBackend);
                                }
                            }
                        } catch (Throwable e) {
                            backendFailed = e;
                            toFrontend.release();
                        }
                    },
                    "backend");
            backend.start();
            Random random = new Random(seed);
            long end = System.nanoTime() + RUN_NANOS;
            try {
                for (int n = 0; backendFailed == null && (n < REQUESTS_LEAST || System.nanoTime() < end); n++) {
                    front.request(Blkif.READ, 0, 0);
                    if (front.push()) {
                        toBackend.release();
                    }
                    while (backendFailed == null && !front.next()) {
                        dawdle(random);
                        if (!front.arm()) {
                            spin(toFrontend);
                        }
                    }
                    dawdle(random);
                }
            } catch (AssertionError e) {
                throw new AssertionError("seed " + seed, e);
            } finally {
                over = true;
                toBackend.release();
                backend.join(TimeUnit.SECONDS.toMillis(LIMIT_SECONDS));
            }
            assertNull(backendFailed);
        }
    }

    /** Lets some nanoseconds pass, rarely a microsecond. */
    private void dawdle(Random random) {
        for (int i = random.nextInt(random.nextInt(16) == 0 ? 1000 : 100); i > 0; i--) {
            idle = idle * 31 + i;
        }
    }

    /** Waits as {@link #await} does, but is back at once. */
    private static void spin(Semaphore channel) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        for (int i = 0; !channel.tryAcquire(); i++) {
            Thread.onSpinWait();
            if ((i & 0xffff) == 0xffff) {
                assertTrue(System.nanoTime() < end, "a notification was lost");
                Thread.yield();
            }
        }
        channel.drainPermits();
    }
}
