package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Io;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A frontend that behaves: the states of both sides, and what becomes of rings and requests when one of them leaves.
 */
class XenNodeTest {
    private static final long SIZE = 16 << 20;

    @TempDir
    Path runDir;

    private final Mapping content = Mapping.anonymous(SIZE);
    private TestHost host;
    private SimGuest guest;
    private SimFrontend frontend;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(runDir);
        guest = host.newGuest(5);
        frontend = new SimFrontend(host, guest);
    }

    @AfterEach
    void shutDown() throws Exception {
        host.assertNothingLeft();
        host.close();
        content.close();
    }

    static Stream<Shape> shapes() {
        return Stream.of(Abi.values())
                .flatMap(abi -> Stream.of(
                        new Shape(abi, 0, 1, false),
                        new Shape(abi, 0, 1, true),
                        new Shape(abi, 4, 1, true),
                        new Shape(abi, 1, 4, false),
                        new Shape(abi, 2, 2, true)));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void servesEveryShapeOfFrontend(Shape shape) throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(shape);
            frontend.assertServed(0x1111);
            assertEquals(shape.persistent(), host.xen.mappedPages() > shape.queues() << shape.order());
            assertEquals(shape.persistent() ? 0 : 1, Integer.signum(host.xen.copyCalls()));
            frontend.disconnect();
            disk.settle();
            assertEquals("", host.xen.held());
        }
    }

    @Test
    void moreDataThanThereAreBuffersForWaitsInTheRing() throws Exception {
        SimGuest large = host.newGuest(7, 32_768);
        SimFrontend many = new SimFrontend(host, large);
        try (XenTestDisk disk = new XenTestDisk(host, 7, content)) {
            many.connect(new Shape(Abi.X86_64, 0, 2, false));
            disk.onLoop(() -> disk.port.hold = true);
            int[][] mebibyte = new int[256][];
            java.util.Arrays.fill(mebibyte, new int[] {0, 7});
            List<Io> requests = new java.util.ArrayList<>();
            for (int i = 0; i < 40; i++) {
                Io io = many.io(i % 2, i % 4 < 2 ? 0 : 1, 0, mebibyte);
                many.put(io);
                requests.add(io);
            }
            many.push();
            Eventually.holds(
                    "so much is at the disk as there are buffers", () -> disk.call(() -> disk.port.pending() == 16));
            disk.settle();
            assertEquals(16, disk.call(() -> disk.port.pending()).intValue());
            disk.onLoop(() -> {
                disk.port.shuffle = new java.util.Random(2);
                disk.port.hold = false;
            });
            many.awaitAll(requests);
            assertTrue(requests.stream().allMatch(io -> io.status == 0));
            // and small ones, for which the memory of the large ones has to be let go
            for (int i = 0; i < 200; i++) {
                assertEquals(0, many.run(many.io(i % 2, 0, i, new int[] {i % 8, 7})));
            }
        }
    }

    @Test
    void moreGrantsThanStayMappedAreCopied() throws Exception {
        SimGuest large = host.newGuest(7, 4096);
        SimFrontend many = new SimFrontend(host, large);
        try (XenTestDisk disk = new XenTestDisk(host, 7, content)) {
            many.connect(Shape.PLAIN);
            List<Io> requests = new java.util.ArrayList<>();
            for (int i = 0; i < 250; i++) {
                int[][] parts = new int[11][];
                java.util.Arrays.fill(parts, new int[] {0, 7});
                Io io = many.io(0, 1, 88L * i, parts);
                for (int sector = 0; sector < 88; sector++) {
                    many.fill(io, sector, 88L * i + sector);
                }
                // its pages are not given back, so that each request has others
                assertEquals(0, many.run(io));
                requests.add(io);
            }
            assertEquals(1 + 32 * 33, host.xen.mappedPages());
            requests.forEach(many::release);
            for (int i = 0; i < 250; i++) {
                many.assertSectors(88L * i, 88, 88L * i);
            }
            disk.settle();
        }
    }

    @Test
    void whereDisksCannotReachMappedPagesDataIsCopied() throws Exception {
        host.xen.reachesDisks = false;
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            assertEquals("0", disk.read("feature-persistent"));
            frontend.assertServed(0x2222);
            assertEquals(1, host.xen.mappedPages(), "the ring's only");
        }
    }

    @Test
    void writesWhatTheDiskIs() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.state(XenbusState.INITIALISING);
            disk.awaitState(XenbusState.INIT_WAIT);
            assertEquals(
                    List.of("256", "4", "4"),
                    List.of(
                            disk.read("feature-max-indirect-segments"),
                            disk.read("max-ring-page-order"),
                            disk.read("multi-queue-max-queues")));
            frontend.connect(Shape.PLAIN);
            assertEquals(
                    List.of("1", "1", "1", "1", "4096", "0", "0"),
                    List.of(
                            disk.read("feature-flush-cache"),
                            disk.read("feature-barrier"),
                            disk.read("feature-persistent"),
                            disk.read("feature-discard"),
                            disk.read("discard-granularity"),
                            disk.read("discard-alignment"),
                            disk.read("discard-secure")));
            assertEquals(
                    List.of(Long.toString(SIZE / 512), "0", "512", "4096"),
                    List.of(
                            disk.read("sectors"),
                            disk.read("info"),
                            disk.read("sector-size"),
                            disk.read("physical-sector-size")));
            disk.onLoop(() -> {
                disk.port.info = disk.port.info.withSize(SIZE / 2);
                disk.node.resized();
            });
            Eventually.holds("the new size", () -> disk.read("sectors").equals(Long.toString(SIZE / 1024)));
            disk.awaitState(XenbusState.CONNECTED);
        }
    }

    @Test
    void aReadOnlyDiskSaysSoAndRefusesWrites() throws Exception {
        XenTestDisk.Setup readOnly =
                port -> port.info = port.info.withReadOnly(true).without(Operation.DISCARD);
        try (XenTestDisk disk = new XenTestDisk(host, host.xen, 5, content, false, readOnly)) {
            assertEquals("r", disk.read("mode"));
            frontend.connect(Shape.PLAIN);
            assertEquals("4", disk.read("info"));
            assertEquals("0", disk.read("feature-discard"));
            assertNull(disk.read("discard-granularity"));
            assertEquals(-1, frontend.writeSectors(0, 8, 1));
        }
    }

    @Test
    void discardsThatTheToolstackForbidsAreNotOffered() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            host.store.write(disk.backend() + "/discard-enable", "0");
            frontend.connect(Shape.PLAIN);
            assertEquals("0", disk.read("feature-discard"));
        }
    }

    @Test
    void comesBackAfterClosed() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            for (int i = 0; i < 20; i++) {
                frontend.connect(shapes().toList().get(i % 10));
                frontend.assertServed(0x3333 + i);
                frontend.disconnect();
                assertEquals("", host.xen.held());
                assertEquals(0, disk.gone.get(), "online, and kept");
            }
        }
    }

    @Test
    void tellingTheSameTwiceChangesNothing() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            int handles = host.xen.mapCalls();
            for (int i = 0; i < 20; i++) {
                frontend.state(XenbusState.CONNECTED);
                host.store.write(disk.backend() + "/state", "4");
                disk.settle();
            }
            assertEquals(handles, host.xen.mapCalls());
            frontend.assertServed(0x4444);
        }
    }

    @Test
    void newRingsAfterASuspendAreTaken() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            frontend.assertServed(0x5555);
            // as blkfront resumes: the old rings are forgotten, the state begins anew
            frontend.connect(new Shape(Abi.X86_64, 1, 2, true));
            frontend.assertServed(0x6666);
            // and without a new beginning
            frontend.newRings(Shape.PLAIN);
            frontend.state(XenbusState.INITIALISED);
            Eventually.holds(
                    "the new ring is mapped",
                    () -> disk.call(() -> "32".equals(disk.node.status().get("ring entries"))
                            && "1".equals(disk.node.status().get("queues"))));
            frontend.state(XenbusState.CONNECTED);
            frontend.assertServed(0x7777);
        }
    }

    @Test
    void offlineAndClosedIsForgotten() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            host.store.transaction(tx -> {
                tx.write(disk.backend() + "/online", "0");
                tx.write(disk.backend() + "/state", "5");
            });
            disk.settle();
            frontend.assertServed(0x8888);
            assertEquals(0, disk.gone.get());
            frontend.disconnect();
            Eventually.holds("it is gone", () -> disk.gone.get() > 0);
        }
    }

    @Test
    void requestsOfALeavingFrontendEndBeforeItsPagesAreLetGo() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            disk.onLoop(() -> disk.port.hold = true);
            Io read = frontend.io(0, 0, 8, new int[] {0, 7});
            frontend.put(read);
            frontend.push();
            Eventually.holds("it is at the disk", () -> disk.call(() -> disk.port.pending() == 1));
            frontend.state(XenbusState.CLOSED);
            disk.settle();
            assertTrue(host.xen.mappedPages() > 0);
            assertEquals(XenbusState.CONNECTED, frontend.backendState());
            disk.onLoop(() -> disk.port.hold = false);
            disk.awaitState(XenbusState.CLOSED);
            assertEquals("", host.xen.held());
            frontend.connect(Shape.PLAIN);
            frontend.assertServed(0x9999);
        }
    }

    @Test
    void requestsHeldForTheStorageDoNotKeepAFrontendFromLeaving() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            disk.onLoop(() -> {
                disk.port.hold = true;
                disk.port.withdrawable = true;
            });
            frontend.put(frontend.io(0, 0, 8, new int[] {0, 7}));
            frontend.put(frontend.io(0, 1, 16, new int[] {0, 7}));
            frontend.push();
            Eventually.holds("they are held", () -> disk.call(() -> disk.port.pending() == 2));
            frontend.state(XenbusState.CLOSED);
            disk.awaitState(XenbusState.CLOSED);
            assertEquals("", host.xen.held());
            assertEquals(0, disk.port.pending());
            disk.onLoop(() -> disk.port.hold = false);
            frontend.connect(Shape.PLAIN);
            frontend.assertServed(0x9999);
        }
    }

    /** The node's bundle is replaced, or the daemon restarts: what is held stays in the log of its ring. */
    @Test
    void requestsHeldForTheStorageAreLeftToTheNextNode() throws Exception {
        XenTestDisk disk = new XenTestDisk(host, 5, content);
        frontend.connect(Shape.PLAIN);
        disk.onLoop(() -> {
            disk.port.hold = true;
            disk.port.withdrawable = true;
        });
        Io read = frontend.io(0, 0, 8, new int[] {0, 7});
        frontend.put(read);
        frontend.push();
        Eventually.holds("it is held", () -> disk.call(() -> disk.port.pending() == 1));
        int answered = frontend.ring(0).responseProducer();
        disk.onLoop(() -> {
            disk.port.open = false;
            disk.node.close();
        });
        assertEquals(0, disk.port.pending());
        disk.close(false);
        assertEquals(answered, frontend.ring(0).responseProducer(), "and nothing is answered");
        try (XenTestDisk next = new XenTestDisk(host, 5, content, true)) {
            frontend.awaitAll(List.of(read));
            next.settle();
            assertEquals(0, read.status);
            frontend.assertServed(0x1111);
        }
    }

    /** A forced detach does not wait for a disk that never ends its requests. */
    @Test
    void aGuestMayBeCutOffWithRequestsInFlight() throws Exception {
        for (boolean endsLater : new boolean[] {true, false}) {
            XenTestDisk disk = new XenTestDisk(host, 5, content);
            frontend.connect(new Shape(Abi.X86_64, 0, 1, endsLater));
            disk.onLoop(() -> disk.port.hold = true);
            for (int i = 0; i < 5; i++) {
                frontend.put(frontend.io(0, i % 2, 8L * i, new int[] {0, 7}));
            }
            frontend.push();
            Eventually.holds("they are at the disk", () -> disk.call(() -> disk.port.pending() == 5));
            int answered = frontend.ring(0).responseProducer();
            disk.onLoop(() -> {
                disk.node.disconnect();
            });
            disk.settle();
            assertEquals(List.of(), host.store.list(disk.backend()), "the guest sees it go");
            assertTrue(!host.xen.held().isEmpty(), "what the requests use stays");
            if (endsLater) {
                disk.close(true);
            } else {
                // the core removes the node while requests are left, which end afterwards
                disk.onLoop(disk.node::remove);
                assertTrue(!host.xen.held().isEmpty());
                disk.onLoop(disk.port::release);
                Eventually.holds("all is given back", () -> host.xen.held().isEmpty());
                disk.close(true);
            }
            assertEquals(answered, frontend.ring(0).responseProducer(), "and nothing is answered");
            frontend.dropRings();
        }
    }

    @Test
    void theNodeMayBeClosedWhileAFrontendLeaves() throws Exception {
        XenTestDisk disk = new XenTestDisk(host, 5, content);
        frontend.connect(Shape.PLAIN);
        disk.onLoop(() -> disk.port.hold = true);
        Io read = frontend.io(0, 0, 8, new int[] {0, 7});
        frontend.put(read);
        frontend.push();
        Eventually.holds("it is at the disk", () -> disk.call(() -> disk.port.pending() == 1));
        frontend.state(XenbusState.CLOSED);
        disk.settle();
        disk.close(true);
        host.assertNothingLeft();
    }

    @Test
    void theNodeMayBeClosedWhileItConnects() throws Exception {
        for (int i = 0; i < 50; i++) {
            XenTestDisk disk = new XenTestDisk(host, 5, content);
            frontend.state(XenbusState.INITIALISING);
            frontend.awaitBackend(XenbusState.INIT_WAIT);
            frontend.newRings(Shape.PLAIN);
            frontend.state(XenbusState.INITIALISED);
            for (int k = 0; k < i * 20; k++) {
                Thread.onSpinWait();
            }
            disk.close(true);
            assertEquals(List.of(), host.store.list(disk.backend()), "nothing is written after the end");
            frontend.dropRings();
        }
    }

    @Test
    void aHeldBarrierGoesOnWhenTheDiskIsBack() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            for (int operation : new int[] {2, 3}) {
                disk.onLoop(() -> disk.port.hold = true);
                Io barrier = frontend.io(0, operation, 16, new int[] {0, 7});
                frontend.fill(barrier, 0, 0xaaaa);
                frontend.put(barrier);
                Io write = frontend.io(0, 1, 16, new int[] {0, 0});
                frontend.fill(write, 0, 0xbbbb);
                if (operation == 2) {
                    frontend.put(write);
                } else {
                    Io after = frontend.io(0, 2, 32, new int[] {0, 0});
                    frontend.put(after);
                    write = after;
                }
                frontend.push();
                Eventually.holds("its flush is at the disk", () -> disk.call(() -> disk.port.pending() == 1));
                // the driver is replaced: what is under way ends, and nothing more is taken
                disk.onLoop(() -> {
                    disk.port.open = false;
                    disk.port.release();
                });
                disk.settle();
                assertNull(barrier.status);
                disk.onLoop(() -> {
                    disk.port.open = true;
                    disk.node.resumed();
                });
                frontend.awaitAll(List.of(barrier, write));
                assertEquals(List.of(0, 0), List.of(barrier.status, write.status));
                List<MemoryPort.Seen> seen = disk.call(() -> List.copyOf(disk.port.seen));
                assertTrue(
                        seen.contains(
                                new MemoryPort.Seen(Operation.WRITE, 16 * 512, 4096, operation == 2 ? Request.FUA : 0)),
                        seen.toString());
                disk.onLoop(disk.port.seen::clear);
            }
        }
    }

    @Test
    void aFrontendLetsTheDiskGoWhenAsked() throws Exception {
        XenTestDisk disk = new XenTestDisk(host, 5, content);
        frontend.connect(Shape.PLAIN);
        CompletableFuture<Void> asked = disk.unplug().toCompletableFuture();
        disk.awaitState(XenbusState.CLOSING);
        assertEquals("0", disk.read("online"));
        frontend.disconnect();
        asked.get(2, TimeUnit.MINUTES);
        disk.close(true);
        assertEquals(List.of(), host.store.list(disk.backend()));
        assertEquals(List.of(), host.store.list("/local/domain/5/device/vbd/" + XenTestDisk.DEVICE));
        assertEquals(List.of(), host.store.list("/libxl/5/device/vbd/" + XenTestDisk.DEVICE));
    }

    @Test
    void aFrontendThatKeepsTheDiskIsServedOn() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            CompletableFuture<Void> asked = disk.unplug().toCompletableFuture();
            ExecutionException refused = assertThrows(ExecutionException.class, () -> asked.get(2, TimeUnit.MINUTES));
            assertEquals(DiskException.Reason.BUSY, ((DiskException) refused.getCause()).reason());
            disk.awaitState(XenbusState.CONNECTED);
            assertEquals("1", disk.read("online"));
            frontend.assertServed(0xabcd);
        }
    }

    @Test
    void aForcedUnplugDuringOneThatAsksLeavesNothing() throws Exception {
        XenTestDisk disk = new XenTestDisk(host, 5, content);
        frontend.connect(Shape.PLAIN);
        CompletableFuture<Void> asked = disk.unplug().toCompletableFuture();
        disk.awaitState(XenbusState.CLOSING);
        disk.onLoop(() -> {
            disk.node.remove();
        });
        Eventually.holds("it has ended one way or the other", asked::isDone);
        disk.settle();
        assertEquals(List.of(), host.store.list(disk.backend()));
        disk.close(true);
        assertEquals(List.of(), host.store.list(disk.backend()));
    }

    @Test
    void aDomainThatDisappearsIsLetGoWithRequestsInFlight() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            disk.onLoop(() -> disk.port.shuffle = new java.util.Random(1));
            for (int i = 0; i < 16; i++) {
                frontend.put(frontend.io(0, 0, 8L * i, new int[] {0, 7}));
            }
            frontend.push();
            host.store.remove("/local/domain/5");
            Eventually.holds("it is told", () -> disk.gone.get() > 0);
            assertEquals("", host.xen.held());
        }
    }

    @Test
    void aBackendDirectoryThatDisappearsIsLetGo() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            host.store.remove(disk.backend());
            Eventually.holds("it is told", () -> disk.gone.get() > 0);
            assertEquals("", host.xen.held());
            disk.unplug();
            disk.settle();
            assertEquals(List.of(), host.store.list(disk.backend()), "it stays away");
        }
    }

    @Test
    void afterARestartADomainIsFoundUnderItsNewName() throws Exception {
        XenTestDisk disk = new XenTestDisk(host, 5, content);
        frontend.connect(Shape.PLAIN);
        disk.close(false);
        // and another has its name now
        host.newGuest(6);
        host.store.write("/local/domain/5/name", "another");
        host.store.write("/local/domain/6/name", "guest-5");
        try (XenTestDisk again = new XenTestDisk(host, 5, content, true)) {
            again.awaitState(XenbusState.CONNECTED);
            Io read = frontend.io(0, 0, 0, new int[] {0, 7});
            frontend.put(read);
            frontend.push();
            frontend.awaitAll(List.of(read));
            assertEquals(0, read.status);
        }
    }

    @Test
    void afterARestartWhoeverHasTheNumberDoesNotGetTheDisk() throws Exception {
        new XenTestDisk(host, 5, content).close(false);
        host.store.remove("/local/domain/0/backend/tap/5");
        host.store.remove("/local/domain/5/device/vbd");
        DiskException refused = assertThrows(DiskException.class, () -> new XenTestDisk(host, 5, content, true));
        assertEquals(DiskException.Reason.NOT_FOUND, refused.reason());
        assertNull(host.store.read("/local/domain/5/device/vbd/51712"));
    }

    @Test
    void aFrontendLeavesThoughTheDiskIsClosedBetweenTwoStepsOfARequest() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.connect(Shape.PLAIN);
            disk.onLoop(() -> disk.port.hold = true);
            frontend.put(frontend.io(0, 2, 16, new int[] {0, 7}));
            frontend.push();
            Eventually.holds("its flush is at the disk", () -> disk.call(() -> disk.port.pending() == 1));
            host.store.asDomain(5).write("/local/domain/5/device/vbd/51712/state", "6");
            disk.settle();
            disk.onLoop(() -> {
                disk.port.open = false;
                disk.port.release();
            });
            disk.awaitState(XenbusState.CLOSED);
            assertEquals("", host.xen.held());
            disk.onLoop(() -> disk.port.open = true);
        }
    }

    @Test
    void afterARestartAFrontendThatHasLeftBeginsAnewWithTheSameReferences() throws Exception {
        XenTestDisk first = new XenTestDisk(host, 5, content);
        frontend.connect(Shape.PLAIN);
        frontend.assertServed(0x1212);
        first.kill();
        // meanwhile it leaves, and comes back with the same grants and the same event channel
        frontend.state(XenbusState.CLOSED);
        try (XenTestDisk second = new XenTestDisk(host, 5, content, true)) {
            second.awaitState(XenbusState.CLOSED);
            frontend.state(XenbusState.INITIALISING);
            second.awaitState(XenbusState.INIT_WAIT);
            frontend.ring(0).initialize();
            frontend.writeRings();
            frontend.state(XenbusState.INITIALISED);
            second.awaitState(XenbusState.CONNECTED);
            frontend.state(XenbusState.CONNECTED);
            frontend.assertServed(0x3434);
        }
    }

    @Test
    void aRestartWhileItIsAskedToCloseServesOn() throws Exception {
        XenTestDisk first = new XenTestDisk(host, 5, content);
        frontend.connect(Shape.PLAIN);
        host.store.transaction(tx -> {
            tx.write(first.backend() + "/online", "0");
            tx.write(first.backend() + "/state", "5");
        });
        frontend.assertServed(0x1313);
        first.kill();
        try (XenTestDisk second = new XenTestDisk(host, 5, content, true)) {
            frontend.assertServed(0x1414);
            second.settle();
            assertEquals(XenbusState.CLOSING, frontend.backendState());
        }
    }
}
