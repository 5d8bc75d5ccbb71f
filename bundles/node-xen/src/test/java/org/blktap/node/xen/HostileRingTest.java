package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.blktap.api.disk.Operation;
import org.blktap.api.memory.Memory;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Io;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.blktap.ring.sim.FrontRing;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A frontend that writes what it likes into its ring: the request fails, or its own ring is served no more, and another
 * guest does not notice.
 */
class HostileRingTest {
    private static final int SECTORS = 4096;

    @TempDir
    Path runDir;

    static Stream<Shape> shapes() {
        return Stream.of(Abi.values())
                .flatMap(abi -> Stream.of(new Shape(abi, 0, 1, true), new Shape(abi, 0, 1, false)));
    }

    /** Attacks of a hostile guest while another must continue. */
    private interface Attack {
        void run(XenTestDisk disk, SimFrontend frontend, Runnable othersGoOn) throws Exception;
    }

    private void attack(Shape shape, Attack attack) throws Exception {
        try (TestHost host = new TestHost(runDir);
                Mapping content = Mapping.anonymous(SECTORS * 512L);
                Mapping otherContent = Mapping.anonymous(SECTORS * 512L)) {
            SimFrontend frontend = new SimFrontend(host, host.newGuest(5, 8192));
            SimFrontend other = new SimFrontend(host, host.newGuest(6));
            try (XenTestDisk disk = new XenTestDisk(host, 5, content);
                    XenTestDisk otherDisk = new XenTestDisk(host, 6, otherContent)) {
                other.connect(Shape.PLAIN);
                frontend.connect(shape);
                attack.run(disk, frontend, () -> {
                    try {
                        other.assertServed(0x600);
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                });
                other.assertServed(0x666);
                otherDisk.settle();
                disk.settle();
                frontend.disconnect();
                assertEquals(0, disk.call(() -> disk.port.pending()));
                frontend.connect(shape);
                frontend.assertServed(0x555);
            }
            host.assertNothingLeft();
        }
    }

    /** Writes one request that must end with a status, then a good one. */
    private static void refused(SimFrontend frontend, int status, Io io, RawRequest raw) throws Exception {
        long id = frontend.register(io);
        raw.write(frontend.ring(0), id);
        Io good = frontend.io(0, 1, 100, new int[] {0, 7});
        frontend.put(good);
        frontend.push();
        frontend.awaitAll(List.of(io, good));
        assertEquals(status, io.status);
        assertEquals(0, good.status);
        frontend.release(good);
    }

    private interface RawRequest {
        void write(FrontRing ring, long id);
    }

    private static Io answeredAs(int operation) {
        Io io = new Io();
        io.operation = operation;
        return io;
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void malformedRequestsFail(Shape shape) throws Exception {
        attack(shape, (disk, frontend, others) -> {
            int page = frontend.guest.newPage();
            int gref = frontend.guest.grant(page);
            for (int operation : new int[] {0, 1, 2, 3}) {
                for (int count : new int[] {0, 12, 13, 127, 128, 255}) {
                    if (count == 0 && operation > 1) {
                        continue;
                    }
                    refused(frontend, -1, answeredAs(operation), (ring, id) -> {
                        ring.request(operation, id, 0);
                        ring.segmentCount(count);
                    });
                }
                for (int[] part : new int[][] {{1, 0}, {0, 8}, {8, 8}, {7, 255}, {255, 255}, {255, 0}}) {
                    for (int at = 0; at < 11; at += 5) {
                        int bad = at;
                        refused(frontend, -1, answeredAs(operation), (ring, id) -> {
                            ring.request(operation, id, 0);
                            for (int i = 0; i < 11; i++) {
                                ring.segment(gref, i == bad ? part[0] : 0, i == bad ? part[1] : 0);
                            }
                        });
                    }
                }
                for (long sector : new long[] {
                    -1, Long.MIN_VALUE, Long.MAX_VALUE, Long.MAX_VALUE / 512, SECTORS, SECTORS - 7, 1L << 55
                }) {
                    refused(frontend, -1, answeredAs(operation), (ring, id) -> {
                        ring.request(operation, id, sector);
                        ring.segment(gref, 0, 7);
                    });
                }
            }
            for (int operation : new int[] {4, 7, 8, 127, 128, 255}) {
                refused(frontend, -2, answeredAs(operation), (ring, id) -> ring.request(operation, id, 0));
            }
            for (long[] range : new long[][] {
                {-1, 1}, {0, 0}, {0, -1}, {1, Long.MAX_VALUE}, {0, SECTORS + 1}, {Long.MAX_VALUE, Long.MAX_VALUE}
            }) {
                refused(frontend, -1, answeredAs(5), (ring, id) -> ring.discard(id, range[0], range[1], 0));
            }
            refused(frontend, -2, answeredAs(5), (ring, id) -> ring.discard(id, 0, 8, 1));
        });
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void malformedIndirectRequestsFail(Shape shape) throws Exception {
        attack(shape, (disk, frontend, others) -> {
            int data = frontend.guest.grant(frontend.guest.newPage());
            int segments = frontend.guest.newPage();
            int gref = frontend.guest.grant(segments);
            for (int i = 0; i < 512; i++) {
                FrontRing.segment(frontend.guest.address(segments) + 8L * i, data, 0, 7);
            }
            for (int operation : new int[] {2, 3, 4, 5, 6, 255}) {
                refused(frontend, -1, answeredAs(operation), (ring, id) -> ring.indirect(operation, id, 0, 4, gref));
            }
            for (int operation : new int[] {0, 1}) {
                for (int count : new int[] {0, 257, 512, 513, 4096, 65535}) {
                    refused(
                            frontend,
                            -1,
                            answeredAs(operation),
                            (ring, id) -> ring.indirect(operation, id, 0, count, gref, gref, gref, gref));
                }
                refused(
                        frontend,
                        -1,
                        answeredAs(operation),
                        (ring, id) -> ring.indirect(operation, id, 0, 4, frontend.guest.badGref()));
                refused(
                        frontend,
                        -1,
                        answeredAs(operation),
                        (ring, id) -> ring.indirect(operation, id, SECTORS - 1, 4, gref));
                refused(frontend, -1, answeredAs(operation), (ring, id) -> ring.indirect(operation, id, -1, 4, gref));
                for (int at : new int[] {0, 1, 11, 100, 255}) {
                    long segment = frontend.guest.address(segments) + 8L * at;
                    FrontRing.segment(segment, data, 5, 4);
                    refused(
                            frontend,
                            -1,
                            answeredAs(operation),
                            (ring, id) -> ring.indirect(operation, id, 0, 256, gref));
                    FrontRing.segment(segment, data, 0, 8);
                    refused(
                            frontend,
                            -1,
                            answeredAs(operation),
                            (ring, id) -> ring.indirect(operation, id, 0, 256, gref));
                    FrontRing.segment(segment, frontend.guest.badGref(), 0, 7);
                    refused(
                            frontend,
                            -1,
                            answeredAs(operation),
                            (ring, id) -> ring.indirect(operation, id, 0, 256, gref));
                    FrontRing.segment(segment, data, 0, 7);
                }
                refused(frontend, 0, answeredAs(operation), (ring, id) -> ring.indirect(operation, id, 0, 256, gref));
            }
        });
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void pagesThatAreNotGrantedFailTheirRequestOnly(Shape shape) throws Exception {
        attack(shape, (disk, frontend, others) -> {
            SimGuest guest = frontend.guest;
            int good = guest.grant(guest.newPage());
            int readOnly = guest.grantReadOnly(guest.newPage());
            for (int operation : new int[] {0, 1}) {
                for (int at = 0; at < 11; at++) {
                    for (int bad : new int[] {guest.badGref(), 0, -1, Integer.MIN_VALUE}) {
                        int place = at;
                        refused(frontend, -1, answeredAs(operation), (ring, id) -> {
                            ring.request(operation, id, 0);
                            for (int i = 0; i < 11; i++) {
                                ring.segment(i == place ? bad : good, 0, 7);
                            }
                        });
                    }
                }
            }
            // a page that may only be read is good for a write to the disk, and not for a read
            refused(frontend, 0, answeredAs(1), (ring, id) -> {
                ring.request(1, id, 0);
                ring.segment(readOnly, 0, 7);
            });
            refused(frontend, -1, answeredAs(0), (ring, id) -> {
                ring.request(0, id, 0);
                ring.segment(readOnly, 0, 7);
            });
        });
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void copiesThatFailFailTheirRequests(Shape shape) throws Exception {
        if (shape.persistent()) {
            return;
        }
        for (SimHypervisor.CopyCall call :
                new SimHypervisor.CopyCall[] {SimHypervisor.CopyCall.FAILS, SimHypervisor.CopyCall.SOME_PIECES_FAIL}) {
            attack(shape, (disk, frontend, others) -> {
                for (int operation : new int[] {0, 1}) {
                    for (int pages : new int[] {5, 40}) {
                        int[][] parts = new int[pages][];
                        java.util.Arrays.fill(parts, new int[] {0, 7});
                        Io io = frontend.io(0, operation, 0, parts);
                        disk.xen.copyCall = call;
                        assertEquals(-1, frontend.run(io));
                        disk.xen.copyCall = SimHypervisor.CopyCall.HONEST;
                        frontend.release(io);
                    }
                }
            });
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void aProducerThatJumpsEndsTheRing(Shape shape) throws Exception {
        for (int jump : new int[] {33, 1000, -1, -33, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            attack(shape, (disk, frontend, others) -> {
                frontend.assertServed(0x700);
                int at = Memory.getInt(frontend.ring(0).entry(0) - 64);
                frontend.ring(0).scribbleProducer(at + jump);
                frontend.port(0).notifyBackend();
                Eventually.holds("the ring is stopped", () -> stopped(disk));
                others.run();
            });
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void aScribbledResponseProducerHarmsOnlyTheGuestItself(Shape shape) throws Exception {
        attack(shape, (disk, frontend, others) -> {
            frontend.assertServed(0x700);
            int answered = frontend.ring(0).responseProducer();
            frontend.ring(0).scribbleResponseProducer(answered + 77);
            Io io = frontend.io(0, 0, 0, new int[] {0, 7});
            frontend.put(io);
            frontend.push();
            Eventually.holds(
                    "the backend goes by its own", () -> frontend.ring(0).responseProducer() == answered + 1);
            frontend.awaitAll(List.of(io));
            assertEquals(0, io.status);
        });
    }

    private static boolean stopped(XenTestDisk disk) throws Exception {
        return disk.call(() -> disk.node.status().containsKey("stopped"));
    }

    /** Double fetches (XSA-155): whatever is read must have been checked, so that nothing but answers comes of it. */
    @ParameterizedTest
    @MethodSource("shapes")
    void requestsThatChangeWhileTheyAreReadHarmNobody(Shape shape) throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("requests that change, " + shape + ": -Dseed=" + seed);
        attack(shape, (disk, frontend, others) -> {
            SimGuest guest = frontend.guest;
            FrontRing ring = frontend.ring(0);
            int data = guest.grant(guest.newPage());
            int segments = guest.newPage();
            int gref = guest.grant(segments);
            for (int i = 0; i < 512; i++) {
                FrontRing.segment(guest.address(segments) + 8L * i, data, 0, 7);
            }
            boolean[] stop = {false};
            Thread mutator = new Thread(() -> {
                Random random = new Random(seed);
                long header = ring.entry(0) - 64;
                while (!stop[0] && !Thread.interrupted()) {
                    // the entries, but not the indexes; and the segments
                    long entry = header + 64 + random.nextInt(4096 - 64);
                    Memory.putByte(entry, (byte) (random.nextBoolean() ? random.nextInt(16) : random.nextInt()));
                    Memory.putByte(guest.address(segments) + random.nextInt(4096), (byte) random.nextInt(16));
                }
            });
            mutator.setName("mutator");
            mutator.start();
            try {
                Random random = new Random(seed + 1);
                for (int round = 0; round < 2000; round++) {
                    int first = ring.responseProducer();
                    for (int i = 0; i < 32; i++) {
                        if (random.nextBoolean()) {
                            ring.indirect(random.nextInt(2), i, random.nextInt(SECTORS), 1 + random.nextInt(256), gref);
                        } else {
                            ring.request(random.nextInt(4), i, random.nextInt(SECTORS));
                            for (int k = random.nextInt(11); k >= 0; k--) {
                                ring.segment(data, 0, 7);
                            }
                        }
                    }
                    if (ring.push()) {
                        frontend.port(0).notifyBackend();
                    }
                    Eventually.holds("all are answered", () -> ring.responseProducer() == first + 32 || stopped(disk));
                    if (ring.responseProducer() != first + 32) {
                        // a reference became that of the ring's own page, into which the disk's data was read then
                        return;
                    }
                    int answers = 0;
                    while (ring.next()) {
                        answers++;
                    }
                    assertEquals(32, answers);
                }
            } finally {
                stop[0] = true;
                mutator.interrupt();
                mutator.join();
            }
            others.run();
            for (MemoryPort.Seen seen : disk.call(() -> List.copyOf(disk.port.seen))) {
                long most = seen.operation() == Operation.DISCARD ? Long.MAX_VALUE : 256 * 4096;
                assertTrue(
                        seen.offset() >= 0 && seen.length() >= 0 && seen.length() <= most && seen.length() % 512 == 0,
                        seen.toString());
            }
        });
    }
}
