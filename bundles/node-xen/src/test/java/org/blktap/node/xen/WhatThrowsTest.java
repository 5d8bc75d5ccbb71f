package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whatever throws, wherever: it ends its own device, once, with one line in the log, and gives back what it had; the
 * guest may connect again.
 */
class WhatThrowsTest {
    private static final int DOMAIN = 5;

    @TempDir
    Path runDir;

    /** Thrown from the call of this number on, for so many calls. */
    private record Thrown(Error error, int call, boolean persistent) {}

    static Stream<Thrown> thrown() {
        // the calls of a connection: two handles, the map of each ring, the binds; then data is mapped or copied, and
        // events are sent
        return Stream.of(1, 2, 3, 4, 5, 6, 7, 8, 12, 20)
                .flatMap(call -> Stream.of(
                        new Thrown(new AssertionError("thrown by a test"), call, false),
                        new Thrown(new StackOverflowError(), call, true)));
    }

    private interface Attack {
        void run(TestHost host, XenTestDisk disk, SimFrontend frontend) throws Exception;
    }

    private void attack(Shape shape, Attack attack) throws Exception {
        try (Mapping content = Mapping.anonymous(1 << 20);
                TestHost host = new TestHost(runDir)) {
            SimFrontend frontend = new SimFrontend(host, host.newGuest(DOMAIN));
            SimHypervisor own = new SimHypervisor();
            own.add(frontend.guest);
            try (LoggedWarnings log = new LoggedWarnings();
                    XenVictim victim = new XenVictim(host, 6)) {
                XenTestDisk disk = new XenTestDisk(host, own, DOMAIN, content, false, port -> {});
                attack.run(host, disk, frontend);
                Eventually.holds("it is asked to close", () -> disk.state() == XenbusState.CLOSING.ordinal());
                frontend.state(XenbusState.CLOSED);
                Eventually.holds(
                        "all is given back: " + own.held(), () -> own.held().isEmpty());
                disk.awaitState(XenbusState.CLOSED);
                List<String> lines = log.take("disk-5");
                assertEquals(1, lines.size(), lines.toString());
                frontend.dropRings();
                frontend.connect(shape);
                frontend.assertServed(0x222);
                victim.check();
                frontend.disconnect();
                disk.close(true);
                assertEquals(List.of(), log.rest());
            }
            host.assertNothingLeft();
        }
    }

    @ParameterizedTest
    @MethodSource("thrown")
    void callsToXen(Thrown thrown) throws Exception {
        for (boolean persistent : new boolean[] {true, false}) {
            Shape shape = new Shape(Abi.X86_64, 0, 2, persistent);
            attack(shape, (host, disk, frontend) -> {
                AtomicInteger calls = new AtomicInteger();
                disk.xen.beforeCall = () -> {
                    int call = calls.incrementAndGet();
                    if (call == thrown.call || thrown.persistent && call > thrown.call) {
                        throw thrown.error;
                    }
                };
                frontend.state(XenbusState.INITIALISING);
                frontend.awaitBackend(XenbusState.INIT_WAIT);
                frontend.newRings(shape);
                frontend.state(XenbusState.INITIALISED);
                for (int i = 0; calls.get() < thrown.call && disk.state() != XenbusState.CLOSING.ordinal(); i++) {
                    if (disk.state() == XenbusState.CONNECTED.ordinal() && frontend.free(i % 2) > 0) {
                        frontend.put(frontend.io(i % 2, i % 3 == 0 ? 0 : 1, 8L * (i % 100), new int[] {0, 7}));
                        frontend.push();
                    }
                    disk.settle();
                }
                Eventually.holds("it has noticed", () -> disk.state() == XenbusState.CLOSING.ordinal());
                disk.xen.beforeCall = () -> {};
            });
        }
    }

    @Test
    void anEventThatCannotBeTaken() throws Exception {
        attack(Shape.PLAIN, (host, disk, frontend) -> {
            frontend.connect(Shape.PLAIN);
            frontend.assertServed(0x111);
            disk.xen.eventsBroken = true;
            frontend.port(0).notifyBackend();
            Eventually.holds("it has noticed", () -> disk.state() == XenbusState.CLOSING.ordinal());
            disk.xen.eventsBroken = false;
        });
    }

    @Test
    void xenStore() throws Exception {
        try (Mapping content = Mapping.anonymous(1 << 20);
                TestHost host = new TestHost(runDir);
                LoggedWarnings log = new LoggedWarnings();
                XenVictim victim = new XenVictim(host, 6)) {
            SilentXenStore[] store = new SilentXenStore[1];
            host.between = behind -> store[0] = new SilentXenStore(behind);
            SimFrontend frontend = new SimFrontend(host, host.newGuest(DOMAIN));
            XenTestDisk disk = new XenTestDisk(host, DOMAIN, content);
            frontend.connect(Shape.PLAIN);
            frontend.assertServed(0x111);
            store[0].broken = new IllegalStateException("thrown by a test");
            for (int i = 0; i < 50; i++) {
                frontend.state(XenbusState.values()[i % 7]);
                disk.settle();
            }
            List<String> lines = log.take("disk-5");
            assertEquals(
                    1,
                    lines.stream()
                            .filter(line -> line.contains("the backend failed"))
                            .count(),
                    lines.toString());
            assertTrue(lines.size() <= 2, lines.toString());
            store[0].broken = null;
            frontend.state(XenbusState.CLOSED);
            disk.awaitState(XenbusState.CLOSED);
            frontend.dropRings();
            frontend.connect(Shape.PLAIN);
            frontend.assertServed(0x222);
            victim.check();
            frontend.disconnect();
            disk.close(true);
        }
    }
}
