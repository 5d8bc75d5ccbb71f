package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.blktap.api.disk.Request;
import org.blktap.api.memory.Memory;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.blktap.ring.sim.FrontRing;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A frontend that writes anything: requests, segments, grant references, pages of indirect segments, indexes and
 * states, also while they are read. Whatever comes to the disk must point into memory that is mapped or ours at that
 * moment; each request is answered once, as long as the ring itself makes sense; another guest's disk is served all the
 * time. {@code -Dfuzz.inputs=1000000} runs longer, {@code -Dseed=} repeats.
 */
class RingFuzzTest {
    private static final int INPUTS = Integer.getInteger("fuzz.inputs", 5_000);
    private static final int SECTORS = 4096;
    private static final int DOMAIN = 5;
    private static final long[] ODD = {
        0,
        1,
        7,
        8,
        SECTORS - 1,
        SECTORS,
        -1,
        Long.MIN_VALUE,
        Long.MAX_VALUE,
        Long.MAX_VALUE / 512,
        1L << 55,
        0xffffffffL
    };

    @TempDir
    Path runDir;

    private final AtomicReference<String> complaint = new AtomicReference<>();
    private Random random;
    private TestHost host;
    private SimGuest guest;
    private SimFrontend frontend;
    private XenTestDisk disk;
    private Shape shape;
    private int[] data;
    private int[] dataGrefs;
    private int[] readOnly;
    private int[] indirect;
    private int[] indirectGrefs;
    private long nextId;
    private long inputs;
    private int connections;
    private int stops;

    static Stream<Shape> shapes() {
        return Stream.of(
                new Shape(Abi.X86_64, 0, 1, true),
                new Shape(Abi.X86_64, 0, 1, false),
                new Shape(Abi.X86_32, 0, 1, true),
                new Shape(Abi.X86_32, 2, 2, false));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void anythingAtAll(Shape wanted) throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        shape = wanted;
        random = new Random(seed);
        Logger logger = Logger.getLogger("org.blktap.node.xen");
        Handler severe = new Severe(complaint);
        logger.addHandler(severe);
        logger.setUseParentHandlers(false);
        long start = System.nanoTime();
        try (Mapping content = Mapping.anonymous(SECTORS * 512L);
                TestHost running = new TestHost(runDir)) {
            host = running;
            guest = host.newGuest(DOMAIN, 4096);
            frontend = new SimFrontend(host, guest);
            try (XenVictim victim = new XenVictim(host, 6)) {
                disk = new XenTestDisk(host, host.xen, DOMAIN, content, false, port -> {
                    port.quiet = true;
                    port.shuffle = new Random(seed);
                    port.fails = this::check;
                });
                try {
                    fuzz(victim);
                } catch (Exception | AssertionError e) {
                    throw new AssertionError(
                            "-Dseed=" + seed + ", " + shape + ", after " + inputs + " inputs: " + e.getMessage(), e);
                }
                System.out.printf(
                        "ring fuzzer, %s: %d inputs in %.1f s, %d connections, %d rings stopped, -Dseed=%d; %s%n",
                        shape, inputs, (System.nanoTime() - start) / 1e9, connections, stops, seed, victim.report());
                assertTrue(victim.requests() > 0);
                disk.close(true);
            }
            host.assertNothingLeft();
            assertEquals(
                    0,
                    host.limits.entries().taken()
                            + host.limits.pages().taken()
                            + host.limits.mappings().taken()
                            + host.limits.buffers().taken(),
                    "nothing is accounted for any more");
        } finally {
            logger.removeHandler(severe);
            logger.setUseParentHandlers(true);
        }
    }

    /** Notes what should never be logged. */
    private static final class Severe extends Handler {
        private final AtomicReference<String> first;

        Severe(AtomicReference<String> first) {
            this.first = first;
        }

        @Override
        public void publish(LogRecord entry) {
            if (entry.getLevel() == Level.SEVERE) {
                java.io.StringWriter stack = new java.io.StringWriter();
                if (entry.getThrown() != null) {
                    entry.getThrown().printStackTrace(new java.io.PrintWriter(stack));
                }
                first.compareAndSet(null, entry.getMessage() + " " + stack);
            }
        }

        @Override
        public void flush() {
            // nothing is kept back
        }

        @Override
        public void close() {
            // nothing is open
        }
    }

    /** On the loop: where the data of a request is. */
    private int check(Request request) {
        for (int i = 0; i < request.data().count(); i++) {
            long at = request.data().address(i);
            long bytes = request.data().length(i);
            boolean moves = request.operation() == org.blktap.api.disk.Operation.READ
                    || request.operation() == org.blktap.api.disk.Operation.WRITE;
            if (moves && !host.xen.hasMapped(at, bytes) && !disk.memory.has(at, bytes) && !joined(at, bytes)) {
                complaint.compareAndSet(
                        null,
                        request + ": piece " + i + " is " + bytes + " bytes at 0x" + Long.toHexString(at)
                                + ", which is no page of the guest and no buffer");
            }
        }
        return random(50) == 0 ? 5 : 0;
    }

    private final Random loopRandom = new Random(1);

    private int random(int bound) {
        return loopRandom.nextInt(bound);
    }

    /** Pages that were mapped by several calls may lie one behind the other, and their pieces are one. */
    private boolean joined(long at, long bytes) {
        for (long page = at; page < at + bytes; page = (page | 4095) + 1) {
            if (!host.xen.hasMapped(page, Math.min(at + bytes, (page | 4095) + 1) - page)) {
                return false;
            }
        }
        return true;
    }

    private void fuzz(XenVictim victim) throws Exception {
        pages();
        connect();
        while (inputs < INPUTS) {
            int kind = random.nextInt(100);
            if (kind < 80) {
                requests();
            } else if (kind < 88) {
                requestsThatChange();
            } else if (kind < 92) {
                indexes();
            } else if (kind < 96) {
                states();
            } else {
                grants();
            }
            victim.check();
            if (complaint.get() != null) {
                throw new AssertionError(complaint.get());
            }
        }
        reconnect();
        disk.onLoop(() -> disk.port.fails = request -> 0);
        frontend.assertServed(0x777);
        frontend.disconnect();
        disk.settle();
        assertEquals(0, disk.call(() -> disk.port.pending()));
    }

    private void pages() {
        data = new int[48];
        dataGrefs = new int[data.length];
        for (int i = 0; i < data.length; i++) {
            data[i] = guest.newPage();
            dataGrefs[i] = guest.grant(data[i]);
        }
        readOnly = new int[8];
        for (int i = 0; i < readOnly.length; i++) {
            readOnly[i] = guest.grantReadOnly(guest.newPage());
        }
        indirect = new int[4];
        indirectGrefs = new int[indirect.length];
        for (int i = 0; i < indirect.length; i++) {
            indirect[i] = guest.newPage();
            indirectGrefs[i] = guest.grant(indirect[i]);
        }
    }

    private void connect() throws Exception {
        frontend.connect(shape);
        connections++;
    }

    private void reconnect() throws Exception {
        frontend.state(XenbusState.CLOSED);
        Eventually.holds("it is closed\n" + host.store, () -> {
            disk.settle();
            return XenbusState.of(host.store, disk.backend()) == XenbusState.CLOSED
                    && disk.call(() -> disk.node.status().get("frontend")).equals("not connected");
        });
        frontend.dropRings();
        connect();
    }

    private boolean stopped() throws Exception {
        return disk.call(() -> disk.node.status().containsKey("stopped"));
    }

    // ---- requests

    private int gref() {
        int kind = random.nextInt(20);
        return kind < 14
                ? dataGrefs[random.nextInt(data.length)]
                : kind < 16
                        ? readOnly[random.nextInt(readOnly.length)]
                        : kind < 17
                                ? indirectGrefs[random.nextInt(indirect.length)]
                                : kind < 18
                                        ? guest.badGref()
                                        : kind < 19 ? random.nextInt(guest.pages() * 2 + 20) + 6000 : random.nextInt();
    }

    private long sector() {
        return random.nextInt(4) == 0 ? ODD[random.nextInt(ODD.length)] : random.nextInt(SECTORS);
    }

    private int part() {
        return random.nextInt(12) == 0 ? random.nextInt(256) : random.nextInt(8);
    }

    /** One request of any kind into the ring; its id. */
    private long put(FrontRing ring) {
        long id = nextId++ | random.nextLong() << 40;
        inputs++;
        switch (random.nextInt(10)) {
            case 0 ->
                ring.discard(
                        id,
                        sector(),
                        random.nextInt(3) == 0 ? sector() : 1 + random.nextInt(64),
                        random.nextInt(8) == 0 ? random.nextInt(256) : 0);
            case 1, 2 -> {
                segments();
                int[] pages = new int[8];
                for (int i = 0; i < pages.length; i++) {
                    pages[i] = random.nextInt(10) == 0 ? gref() : indirectGrefs[random.nextInt(indirect.length)];
                }
                int count = random.nextInt(6) == 0
                        ? random.nextInt(65_536)
                        : 1 + random.nextInt(random.nextInt(4) == 0 ? 256 : 20);
                ring.indirect(
                        random.nextInt(10) == 0 ? random.nextInt(256) : random.nextInt(2), id, sector(), count, pages);
            }
            default -> {
                ring.request(random.nextInt(12) == 0 ? random.nextInt(256) : random.nextInt(4), id, sector());
                int count = random.nextInt(12);
                for (int i = 0; i < Math.min(count, 11); i++) {
                    ring.segment(gref(), part(), part());
                }
                if (random.nextInt(10) == 0) {
                    ring.segmentCount(random.nextInt(256));
                }
            }
        }
        return id;
    }

    private void segments() {
        int page = indirect[random.nextInt(indirect.length)];
        for (int i = random.nextInt(512); i >= 0; i--) {
            FrontRing.segment(
                    guest.address(page) + 8L * random.nextInt(random.nextInt(3) == 0 ? 512 : 24),
                    gref(),
                    part(),
                    part());
        }
    }

    /** So many that each is answered once. */
    private void requests() throws Exception {
        int queue = random.nextInt(frontend.queueCount());
        FrontRing ring = frontend.ring(queue);
        Map<Long, Boolean> ids = new HashMap<>();
        for (int i = 1 + random.nextInt(ring.free()); i > 0; i--) {
            ids.put(put(ring), true);
        }
        push(queue);
        await(queue, ids.size());
        while (ring.next()) {
            assertTrue(ids.remove(ring.id()) != null, "answered twice, or never asked: " + Long.toHexString(ring.id()));
            assertTrue(ring.status() <= 0 && ring.status() >= -2, "status " + ring.status());
            assertEquals(0, ring.padding(), "padding");
        }
        assertEquals(Map.of(), ids);
    }

    private void push(int queue) {
        if (frontend.ring(queue).push()) {
            frontend.port(queue).notifyBackend();
        }
    }

    private void await(int queue, int count) throws Exception {
        FrontRing ring = frontend.ring(queue);
        int last = ring.responseConsumer() + ring.outstanding();
        Eventually.holds(
                count + " requests are answered", () -> ring.responseProducer() == last || complaint.get() != null);
        if (complaint.get() != null) {
            throw new AssertionError(complaint.get());
        }
    }

    // ---- what changes while it is read (XSA-155)

    private void requestsThatChange() throws Exception {
        int queue = random.nextInt(frontend.queueCount());
        FrontRing ring = frontend.ring(queue);
        boolean[] over = {false};
        long seed = random.nextLong();
        Thread mutator = new Thread(
                () -> {
                    Random fast = new Random(seed);
                    while (!over[0] && !Thread.interrupted()) {
                        long entry = ring.entry(fast.nextInt(32));
                        Memory.putByte(entry + fast.nextInt(100), (byte)
                                (fast.nextBoolean() ? fast.nextInt(12) : fast.nextInt()));
                        Memory.putByte(
                                guest.address(indirect[fast.nextInt(indirect.length)]) + fast.nextInt(4096),
                                (byte) fast.nextInt(256));
                    }
                },
                "mutator");
        mutator.start();
        try {
            for (int round = 0; round < 8; round++) {
                int count = 1 + random.nextInt(ring.free());
                for (int i = 0; i < count; i++) {
                    put(ring);
                }
                push(queue);
                int last = ring.responseConsumer() + ring.outstanding();
                // a reference may become that of the ring's own page, into which the disk's data is read then
                Eventually.holds(
                        "they are answered, or the ring is stopped",
                        () -> ring.responseProducer() == last || stopped());
                if (stopped() || ring.responseProducer() != last) {
                    break;
                }
                while (ring.next()) {
                    inputs++;
                }
            }
        } finally {
            over[0] = true;
            mutator.interrupt();
            mutator.join();
        }
        stops += stopped() ? 1 : 0;
        reconnect();
    }

    // ---- indexes

    private void indexes() throws Exception {
        int queue = random.nextInt(frontend.queueCount());
        FrontRing ring = frontend.ring(queue);
        for (int i = random.nextInt(4); i > 0 && ring.free() > 0; i--) {
            put(ring);
        }
        int at = ring.responseConsumer() + ring.outstanding();
        int jump = random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(2 * ring.entries()) - ring.entries() / 2;
        if (random.nextInt(4) == 0) {
            ring.scribbleResponseProducer(random.nextInt());
        }
        ring.scribbleProducer(at + jump);
        inputs++;
        frontend.port(queue).notifyBackend();
        disk.settle();
        if (random.nextBoolean()) {
            Memory.putInt(ring.entry(0) - 64 + 4L * random.nextInt(4), random.nextInt());
            frontend.port(queue).notifyBackend();
            disk.settle();
        }
        stops += stopped() ? 1 : 0;
        reconnect();
    }

    // ---- states and nodes

    private void states() throws Exception {
        for (int i = random.nextInt(12); i >= 0; i--) {
            inputs++;
            switch (random.nextInt(8)) {
                case 0, 1, 2 -> frontend.state(XenbusState.values()[random.nextInt(9)]);
                case 3 ->
                    frontend.write("state", List.of("9", "", "junk", "4 ", "-1").get(random.nextInt(5)));
                case 4 ->
                    frontend.write(
                            List.of(
                                            "ring-ref",
                                            "event-channel",
                                            "ring-ref0",
                                            "queue-0/ring-ref",
                                            "queue-1/event-channel")
                                    .get(random.nextInt(5)),
                            Integer.toString(random.nextInt(60)));
                case 5 ->
                    frontend.write(
                            List.of("ring-page-order", "multi-queue-num-queues", "feature-persistent")
                                    .get(random.nextInt(3)),
                            Integer.toString(random.nextInt(10)));
                case 6 ->
                    frontend.write(
                            "protocol",
                            List.of("x86_32-abi", "x86_64-abi", "arm-abi", "none")
                                    .get(random.nextInt(4)));
                default -> disk.settle();
            }
        }
        frontend.remove("ring-page-order");
        frontend.remove("multi-queue-num-queues");
        reconnect();
    }

    // ---- grants

    private void grants() {
        int which = random.nextInt(data.length);
        inputs++;
        guest.revoke(dataGrefs[which]);
        dataGrefs[which] = random.nextInt(4) == 0 ? guest.grantReadOnly(data[which]) : guest.grant(data[which]);
    }
}
