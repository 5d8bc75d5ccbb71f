package org.blktap.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A frontend that writes anything anywhere into the ring while it is served. */
class HostileFrontendTest {
    private static final int TURNS = 50_000;

    private volatile boolean over;

    private void scribble(long ring, Abi abi, Random random) {
        while (!over) {
            long at = ring + 64 + (long) random.nextInt(32) * abi.requestBytes();
            Memory.putByte(at, (byte) random.nextInt(8));
            Memory.putByte(at + 1, (byte) random.nextInt(14));
            for (int i = 0; i < 12; i++) {
                Memory.putInt(
                        at + 4L * random.nextInt(27),
                        random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(16) << 8 * random.nextInt(4));
            }
            int producer = Memory.getInt(ring + 8);
            // mostly possible
            Memory.putInt(ring, random.nextInt(64) == 0 ? random.nextInt() : producer + random.nextInt(33));
            Memory.putInt(ring + 12, random.nextInt());
            if (random.nextInt(256) == 0) {
                Memory.putInt(ring + 8, random.nextInt());
            }
        }
    }

    /**
     * What is checked is what is used: nothing of a request changes after it was taken, and nothing in it leads
     * elsewhere.
     */
    @ParameterizedTest
    @EnumSource
    void whatIsTakenStays(Abi abi) throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("hostile ring, " + abi + ": seed " + seed);
        try (Mapping shared = Mapping.anonymous(4096);
                Mapping record = Mapping.anonymous(RequestLog.bytes(32));
                Mapping copies = Mapping.anonymous(RequestLog.copyBytes(32));
                Mapping indirect = Mapping.anonymous(4096)) {
            Thread frontend = new Thread(() -> scribble(shared.address(), abi, new Random(seed)), "frontend");
            frontend.start();
            try {
                serve(
                        shared.address(),
                        abi,
                        new RequestLog(record.address(), 32, abi, copies.address()),
                        indirect.address(),
                        new Random(~seed));
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed, e);
            } finally {
                over = true;
                frontend.join();
            }
        }
    }

    private static void serve(long shared, Abi abi, RequestLog log, long indirect, Random random) throws RingException {
        BackRing ring = null;
        BlkRequest request = new BlkRequest();
        int[] slots = new int[32];
        long[] sums = new long[32];
        long identity = 0;
        int good = 0;
        int bad = 0;
        int broken = 0;
        for (int turn = 0; turn < TURNS || good == 0 || bad == 0 || broken == 0; turn++) {
            if (ring == null) {
                ring = new BackRing(shared, 1, abi);
                log.open(identity++, ring);
            }
            int count = 0;
            try {
                for (int waiting = ring.waiting(); waiting > 0; waiting--) {
                    slots[count++] = log.take(ring);
                }
                log.consumed(ring);
                for (int i = 0; i < count; i++) {
                    sums[i] = read(request, log.request(slots[i]), abi, indirect, random);
                }
                for (int i = 0; i < count; i++) {
                    request.decode(log.request(slots[i]), abi);
                    assertEquals(sums[i], sum(request));
                    if (request.wellFormed()) {
                        good++;
                    } else {
                        bad++;
                    }
                    ring.respond(request.id(), request.answeredOperation(), request.status());
                    log.answered(slots[i], ring);
                }
                ring.push();
                log.published(ring);
                ring.arm();
            } catch (RingException e) {
                broken++;
                ring = null;
            }
        }
    }

    /** All that a node reads of a request. */
    private static long read(BlkRequest request, long copy, Abi abi, long indirect, Random random) {
        request.decode(copy, abi);
        long sum = sum(request);
        if (request.wellFormed() && request.operation() == Blkif.INDIRECT) {
            for (int page = 0; page < request.indirectPages(); page++) {
                request.indirectGref(page);
            }
            Memory.putLong(indirect + 8L * random.nextInt(256), random.nextLong());
            request.indirectSegments(indirect);
        }
        if (request.wellFormed() && request.operation() != Blkif.DISCARD) {
            long bytes = 0;
            for (int i = 0; i < request.segmentCount(); i++) {
                request.gref(i);
                assertTrue(request.firstSector(i) <= request.lastSector(i) && request.lastSector(i) < 8);
                bytes += 512L * (request.lastSector(i) - request.firstSector(i) + 1);
            }
            assertEquals(bytes, request.bytes());
        }
        if (request.wellFormed() && request.bytes() > 0) {
            assertTrue(Math.addExact(Math.multiplyExact(request.sector(), 512L), request.bytes()) > 0);
        }
        return sum;
    }

    private static long sum(BlkRequest request) {
        long sum = request.operation() * 31L + request.segmentCount();
        sum = sum * 31 + request.id();
        sum = sum * 31 + request.sector();
        sum = sum * 31 + request.bytes();
        return sum * 31 + request.status();
    }
}
