package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A frontend that writes what it likes into XenStore: it loses its own disk at worst, and nothing leaks. */
class HostileStatesTest {
    private static final int TOGGLES = Integer.getInteger("toggles", 10_000);

    @TempDir
    Path runDir;

    private final Mapping content = Mapping.anonymous(1 << 20);
    private final Mapping otherContent = Mapping.anonymous(1 << 20);
    private final List<String> warnings = new ArrayList<>();
    private final Logger logger = Logger.getLogger("org.blktap.node.xen");
    private final Handler handler = new Handler() {
        @Override
        public void publish(LogRecord entry) {
            synchronized (warnings) {
                if (entry.getLevel() == Level.WARNING || entry.getLevel() == Level.SEVERE) {
                    warnings.add(entry.getMessage());
                }
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
    };
    private TestHost host;
    private SimGuest guest;
    private SimFrontend frontend;
    private SimFrontend other;
    private XenTestDisk otherDisk;

    @BeforeEach
    void boot() throws Exception {
        host = new TestHost(runDir);
        guest = host.newGuest(5);
        frontend = new SimFrontend(host, guest);
        other = new SimFrontend(host, host.newGuest(6));
        otherDisk = new XenTestDisk(host, 6, otherContent);
        other.connect(Shape.PLAIN);
        other.assertServed(0x600);
        logger.addHandler(handler);
        logger.setUseParentHandlers(false);
    }

    @AfterEach
    void shutDown() throws Exception {
        logger.removeHandler(handler);
        logger.setUseParentHandlers(true);
        other.assertServed(0x666);
        other.disconnect();
        otherDisk.close(true);
        host.assertNothingLeft();
        host.close();
        content.close();
        otherContent.close();
    }

    /** What a node says instead of what it should; null for nothing. */
    record Wrong(String node, String value, int queues) {}

    static Stream<Wrong> wrong() {
        List<String> junk = List.of(
                "", "x", "-1", "99999999999", "4294967296", "0x10", "1 ", "\u001b[31m\u0007\n", "9".repeat(4000));
        List<Wrong> all = new ArrayList<>();
        for (String node : List.of(
                "ring-ref",
                "event-channel",
                "ring-page-order",
                "multi-queue-num-queues",
                "protocol",
                "feature-persistent")) {
            junk.forEach(value -> all.add(new Wrong(node, value, 1)));
        }
        for (String node : List.of("queue-1/ring-ref", "queue-1/event-channel")) {
            all.add(new Wrong(node, null, 2));
            all.add(new Wrong(node, "y", 2));
        }
        all.addAll(List.of(
                new Wrong("ring-ref", null, 1),
                new Wrong("event-channel", null, 1),
                new Wrong("event-channel", "77", 1),
                new Wrong("ring-ref", "3000000000", 1),
                new Wrong("ring-ref", "1", 1),
                new Wrong("ring-page-order", "5", 1),
                new Wrong("ring-page-order", "1", 1),
                new Wrong("num-ring-pages", "3", 1),
                new Wrong("num-ring-pages", "17", 1),
                new Wrong("num-ring-pages", "0", 1),
                new Wrong("multi-queue-num-queues", "0", 1),
                new Wrong("multi-queue-num-queues", "5", 1),
                new Wrong("multi-queue-num-queues", "9", 1),
                new Wrong("multi-queue-num-queues", "2", 1),
                new Wrong("protocol", "sparc-abi", 1),
                new Wrong("feature-persistent", "2", 1)));
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("wrong")
    void wrongNodesAreToldOnceAndCloseTheDevice(Wrong wrong) throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            String held = host.xen.held();
            frontend.state(XenbusState.INITIALISING);
            disk.awaitState(XenbusState.INIT_WAIT);
            frontend.newRings(new Shape(Abi.X86_64, 0, wrong.queues, true));
            if (wrong.value == null) {
                frontend.remove(wrong.node);
            } else {
                frontend.write(wrong.node, wrong.value);
            }
            frontend.state(XenbusState.INITIALISED);
            disk.awaitState(XenbusState.CLOSING);
            frontend.state(XenbusState.CONNECTED);
            frontend.state(XenbusState.INITIALISED);
            disk.settle();
            assertEquals(XenbusState.CLOSING, frontend.backendState());
            assertEquals(held, host.xen.held());
            synchronized (warnings) {
                assertEquals(1, warnings.size(), warnings.toString());
                String warning = warnings.get(0);
                assertEquals(true, warning.matches("[ -~]{1,300}"), warning);
                warnings.clear();
            }
            frontend.disconnect();
            // it may do better
            frontend.remove(wrong.node.replaceFirst("/.*", ""));
            frontend.connect(Shape.PLAIN);
            frontend.assertServed(0x500);
        }
    }

    @Test
    void twoRingsOfOnePageHarmNobodyElse() throws Exception {
        try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
            frontend.state(XenbusState.INITIALISING);
            disk.awaitState(XenbusState.INIT_WAIT);
            frontend.newRings(new Shape(Abi.X86_64, 0, 2, true));
            frontend.write("queue-1/ring-ref", Integer.toString(frontend.ringGref(0)));
            frontend.state(XenbusState.INITIALISED);
            disk.awaitState(XenbusState.CONNECTED);
            for (int i = 0; i < 20; i++) {
                frontend.put(frontend.io(0, 0, 8L * i, new int[] {0, 7}));
                frontend.push();
            }
            disk.settle();
            other.assertServed(0x601);
            frontend.disconnect();
        }
    }

    @Test
    void statesThatChangeAllTheTimeLeakNothing() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("toggled states: -Dseed=" + seed);
        Random random = new Random(seed);
        XenTestDisk disk = process(false);
        disk.settle();
        int threads = Thread.activeCount();
        int watches = host.store.watches();
        frontend.newRings(new Shape(Abi.X86_64, 0, 1, true));
        for (int i = 0; i < TOGGLES; i++) {
            toggle(disk, random, i);
            if (random.nextInt(500) == 0) {
                disk.kill();
                assertEquals("", disk.xen.held());
                disk = process(true);
            }
            if (random.nextInt(1000) == 0) {
                disk.settle();
                other.assertServed(0x602);
            }
        }
        disk.settle();
        frontend.state(XenbusState.CLOSED);
        disk.awaitState(XenbusState.CLOSED);
        assertEquals(watches, host.store.watches());
        assertEquals(
                true, Thread.activeCount() <= threads + 2, "threads: " + threads + ", then " + Thread.activeCount());
        frontend.dropRings();
        frontend.connect(Shape.PLAIN);
        frontend.assertServed(0x501);
        disk.close(true);
        assertEquals("", disk.xen.held());
    }

    /** A daemon of its own, which may be killed. */
    private XenTestDisk process(boolean reopened) throws Exception {
        SimHypervisor xen = new SimHypervisor();
        xen.add(guest);
        return new XenTestDisk(host, xen, 5, content, reopened, port -> {});
    }

    private void toggle(XenTestDisk disk, Random random, int i) throws Exception {
        switch (random.nextInt(12)) {
            case 0, 1, 2, 3, 4, 5 -> frontend.state(XenbusState.values()[random.nextInt(9)]);
            case 6 ->
                frontend.write("state", List.of("9", "", "junk", "4 ", "-1").get(random.nextInt(5)));
            case 7 -> frontend.remove("state");
            case 8 -> frontend.write("ring-ref", Integer.toString(random.nextInt(40)));
            case 9 -> frontend.writeRings();
            case 10 -> disk.settle();
            default -> {
                frontend.put(frontend.io(0, random.nextInt(4), random.nextInt(1000), new int[] {0, 7}));
                frontend.push();
                if (frontend.free(0) == 0 || random.nextInt(20) == 0) {
                    // a new ring in the same page
                    frontend.forget();
                }
            }
        }
    }
}
