package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Io;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Memory that another party has truncated while it is mapped here, as no guest can do with pages that Xen maps, but
 * another program with the request log: pages of data, of indirect segments, of the rings, and the log. The process
 * lives, the guest's own device ends with one line in the log at most, and another guest's goes on.
 */
class MemoryGoneTest {
    private static final int SECTORS = 4096;
    private static final int DOMAIN = 5;

    @TempDir
    Path runDir;

    static Stream<Shape> shapes() {
        return Stream.of(Abi.values())
                .flatMap(abi ->
                        Stream.of(new Shape(abi, 0, 1, true), new Shape(abi, 0, 1, false), new Shape(abi, 1, 2, true)));
    }

    private interface Attack {
        void run(XenTestDisk disk, SimFrontend frontend) throws Exception;
    }

    private void attack(Shape shape, int linesMost, Attack attack) throws Exception {
        try (Mapping content = Mapping.anonymous(SECTORS * 512L);
                TestHost host = new TestHost(runDir)) {
            SimGuest guest = host.newGuest(DOMAIN, 4096);
            SimFrontend frontend = new SimFrontend(host, guest);
            try (LoggedWarnings log = new LoggedWarnings();
                    XenVictim victim = new XenVictim(host, 6);
                    XenTestDisk disk = new XenTestDisk(host, DOMAIN, content)) {
                // its rings are its first pages
                frontend.connect(shape);
                frontend.assertServed(0x111);
                attack.run(disk, frontend);
                victim.check();
                guest.truncate(guest.pages());
                leave(disk, frontend);
                assertEquals(2, host.xen.handles(), "those of the victim, and of no other");
                List<String> lines = log.take("disk-5");
                assertTrue(lines.size() <= linesMost, lines.toString());
                frontend.connect(shape);
                frontend.assertServed(0x222);
                assertEquals(List.of(), log.rest());
            }
            host.assertNothingLeft();
        }
    }

    private static void leave(XenTestDisk disk, SimFrontend frontend) throws Exception {
        frontend.state(XenbusState.CLOSED);
        Eventually.holds("it is not connected", () -> {
            disk.settle();
            return XenbusState.of(disk.host.store, disk.backend()) == XenbusState.CLOSED
                    && disk.call(() -> disk.node.status().get("frontend")).equals("not connected");
        });
        frontend.dropRings();
    }

    private static boolean failed(XenTestDisk disk) throws Exception {
        return disk.state() == XenbusState.CLOSING.ordinal();
    }

    private static int[][] pages(int count) {
        int[][] parts = new int[count][];
        Arrays.fill(parts, new int[] {0, 7});
        return parts;
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void pagesOfData(Shape shape) throws Exception {
        attack(shape, 0, (disk, frontend) -> {
            // what is mapped before and used again, and what is mapped when it is gone already
            int stays = shape.queues() << shape.order();
            for (int operation : new int[] {0, 1, 2, 3}) {
                for (int count : new int[] {1, 11}) {
                    Io io = frontend.io(0, operation, 8, pages(count));
                    frontend.put(io);
                    frontend.guest.truncate(stays);
                    frontend.push();
                    frontend.awaitAll(List.of(io));
                    assertEquals(-1, io.status, operation + " of " + count);
                    frontend.guest.truncate(frontend.guest.pages());
                    frontend.release(io);
                }
            }
            assertEquals(0, frontend.run(frontend.io(0, 3, 0)));
            Io discard = frontend.putDiscard(0, 8, 8, 0);
            frontend.push();
            frontend.awaitAll(List.of(discard));
            assertEquals(0, discard.status);
        });
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void pagesOfIndirectSegments(Shape shape) throws Exception {
        attack(shape, 1, (disk, frontend) -> {
            int stays = shape.queues() << shape.order();
            for (int i = 0; i < 3; i++) {
                Io io = frontend.io(0, i & 1, 8, pages(100));
                frontend.put(io);
                frontend.guest.truncate(stays);
                frontend.push();
                disk.settle();
                Eventually.holds(
                        "it is answered, or the device has failed",
                        () -> failed(disk)
                                || frontend.ring(0).outstanding()
                                        == frontend.ring(0).responseProducer()
                                                - frontend.ring(0).responseConsumer());
                frontend.guest.truncate(frontend.guest.pages());
                disk.settle();
                if (failed(disk)) {
                    return;
                }
                frontend.awaitAll(List.of(io));
            }
        });
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void theRingWhileItIsServed(Shape shape) throws Exception {
        for (int wait = 0; wait < 4; wait++) {
            int turns = wait;
            attack(shape, 1, (disk, frontend) -> {
                disk.onLoop(() -> disk.port.hold = turns > 0);
                for (int i = 0; i < 20; i++) {
                    frontend.put(frontend.io(i % shape.queues(), i % 2, 8L * i, new int[] {0, 7}));
                }
                frontend.push();
                if (turns > 0) {
                    Eventually.holds("they are at the disk", () -> disk.call(() -> disk.port.pending() == 20));
                }
                frontend.guest.truncate(0);
                frontend.port(0).notifyBackend();
                if (turns > 1) {
                    // answers go nowhere
                    disk.onLoop(() -> disk.port.hold = false);
                }
                frontend.port(0).notifyBackend();
                disk.settle();
                disk.onLoop(() -> disk.port.hold = false);
                Eventually.holds("the device has failed", () -> failed(disk));
            });
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void theRequestLog(Shape shape) throws Exception {
        attack(shape, 1, (disk, frontend) -> {
            try (FileChannel log = FileChannel.open(runDir.resolve("xen-5-51712.log"), StandardOpenOption.WRITE)) {
                log.truncate(0);
            }
            for (int i = 0; i < 20; i++) {
                frontend.put(frontend.io(i % shape.queues(), i % 2, 8L * i, new int[] {0, 7}));
            }
            frontend.push();
            Eventually.holds("the device has failed", () -> failed(disk));
        });
    }
}
