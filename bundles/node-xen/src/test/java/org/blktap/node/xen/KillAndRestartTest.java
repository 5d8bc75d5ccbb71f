package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Random;
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
 * The daemon dies at a call to Xen or to the disk, or between two turns of its loop, or its bundle is replaced; another
 * one goes on with what is in the log and in the rings. The frontend, which knows nothing of it, gets every answer
 * once, and every read has what was written.
 */
class KillAndRestartTest {
    private static final int SECTORS = 8192;
    /** In fewer there might be none that leaves anything to the next. */
    private static final int ROUNDS = Math.max(30, Integer.getInteger("rounds", 40));

    @TempDir
    Path runDir;

    /** The process is dead: nothing of it may run on. */
    private static final class Killed extends Error {
        private static final long serialVersionUID = 1;

        Killed() {
            super("killed", null, false, false);
        }
    }

    static Stream<Shape> shapes() {
        return Stream.of(Abi.values())
                .flatMap(abi -> Stream.of(
                        new Shape(abi, 0, 1, true),
                        new Shape(abi, 0, 1, false),
                        new Shape(abi, 1, 3, true),
                        new Shape(abi, 0, 2, false)));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void everyRequestIsAnsweredOnce(Shape shape) throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("killed and restarted, " + shape + ": -Dseed=" + seed);
        Random random = new Random(seed);
        java.util.logging.Logger nodeLog = java.util.logging.Logger.getLogger("org.blktap.node.xen");
        java.util.logging.Logger loopLog = java.util.logging.Logger.getLogger("org.blktap.linux.loop");
        // whatever is killed is logged
        nodeLog.setFilter(entry -> !(entry.getThrown() instanceof Killed));
        loopLog.setFilter(nodeLog.getFilter());
        int resubmitted = 0;
        try (TestHost host = new TestHost(runDir);
                Mapping content = Mapping.anonymous(SECTORS * 512L)) {
            SimGuest guest = host.newGuest(5, 65_536);
            SimFrontend frontend = new SimFrontend(host, guest);
            RandomLoad load = new RandomLoad(frontend, random, SECTORS);
            XenTestDisk disk = process(host, guest, content, false, random.nextLong());
            frontend.connect(shape);
            for (int round = 0; round < ROUNDS; round++) {
                if (random.nextInt(4) == 0) {
                    load.run(random.nextInt(200));
                }
                resubmitted += end(disk, load, random);
                disk = process(host, guest, content, true, random.nextLong());
                load.check(frontend.reap());
            }
            load.run(500);
            load.drain();
            load.compare();
            frontend.disconnect();
            disk.close(true);
            assertEquals("", disk.xen.held());
            host.assertNothingLeft();
        } finally {
            loopLog.setFilter(null);
            nodeLog.setFilter(null);
        }
        assertTrue(resubmitted > 0, "no round left anything to the next");
    }

    /** Responses are in the ring, and the notification of them has died with the process. */
    @Test
    void aFrontendThatWaitsIsNotifiedByTheNextProcess() throws Exception {
        java.util.logging.Logger nodeLog = java.util.logging.Logger.getLogger("org.blktap.node.xen");
        java.util.logging.Logger loopLog = java.util.logging.Logger.getLogger("org.blktap.linux.loop");
        nodeLog.setFilter(entry -> !(entry.getThrown() instanceof Killed));
        loopLog.setFilter(nodeLog.getFilter());
        try (TestHost host = new TestHost(runDir);
                Mapping content = Mapping.anonymous(SECTORS * 512L)) {
            SimGuest guest = host.newGuest(5, 65_536);
            SimFrontend frontend = new SimFrontend(host, guest);
            XenTestDisk disk = process(host, guest, content, false, 1);
            frontend.connect(new Shape(Abi.X86_64, 0, 1, true));
            AtomicInteger killed = new AtomicInteger();
            disk.xen.beforeNotify = () -> {
                disk.die();
                killed.incrementAndGet();
                throw new Killed();
            };
            frontend.port(0).taken();
            frontend.put(frontend.io(0, 0, 0, new int[] {0, 7}));
            frontend.push();
            Eventually.holds("the process dies", () -> killed.get() > 0);
            disk.kill();
            assertFalse(frontend.port(0).taken());
            XenTestDisk next = process(host, guest, content, true, 2);
            Eventually.holds("a notification", () -> frontend.port(0).taken());
            assertEquals(1, frontend.reap().size());
            frontend.disconnect();
            next.close(true);
        } finally {
            loopLog.setFilter(null);
            nodeLog.setFilter(null);
        }
    }

    private static XenTestDisk process(TestHost host, SimGuest guest, Mapping content, boolean reopened, long seed)
            throws Exception {
        SimHypervisor xen = new SimHypervisor();
        xen.add(guest);
        return new XenTestDisk(host, xen, 5, content, reopened, port -> {
            port.shuffle = new Random(seed);
            port.quiet = true;
        });
    }

    /** Ends the process while requests go on; the number that it leaves unanswered. */
    private static int end(XenTestDisk disk, RandomLoad load, Random random) throws Exception {
        int kind = random.nextInt(10);
        if (kind > 1) {
            AtomicInteger left = new AtomicInteger(random.nextInt(random.nextBoolean() ? 20 : 200));
            Runnable countdown = () -> {
                if (left.decrementAndGet() < 0) {
                    disk.die();
                    throw new Killed();
                }
            };
            disk.port.beforeCall = countdown;
            disk.xen.beforeCall = countdown;
        }
        for (int i = random.nextInt(8); i >= 0; i--) {
            load.issue();
            load.check(load.frontend().reap());
        }
        if (kind == 0) {
            // the bundle is replaced
            disk.close(false);
        } else {
            disk.kill();
        }
        load.check(load.frontend().reap());
        return load.frontend().flying();
    }
}
