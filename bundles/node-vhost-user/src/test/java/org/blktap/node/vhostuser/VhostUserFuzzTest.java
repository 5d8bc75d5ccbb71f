package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.ProcessResources;
import org.blktap.api.testkit.Victim;
import org.blktap.linux.Libc;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random messages, memory, descriptors and rings against one node, with a well-behaved client on another whose data is
 * verified. With {@code -Dfuzz.inputs=N} as many as wanted, with {@code -Dseed=N} the same again (as far as threads
 * allow).
 */
class VhostUserFuzzTest {
    private static final int INPUTS = Integer.getInteger("fuzz.inputs", 15_000);
    private static final long SEED = Long.getLong("seed", System.nanoTime());
    /** After so many it is checked that nothing is left, and that a good client is served. */
    private static final int BATCH = 5000;

    private static final int INPUTS_PER_CLIENT = 80;
    private static final long DISK = 4 << 20;
    /** What a loop may be held up by others' loops and the machine; it is a bound on failure, not on speed. */
    private static final long VICTIM_MILLIS_MAX = 30_000;

    @TempDir
    Path directory;

    private int inputs;
    private int clients;
    private int refused;

    @Test
    void nobodyIsHarmed() throws Exception {
        System.out.println("vhost-user fuzz: -Dseed=" + SEED + ", " + INPUTS + " inputs");
        Random random = new Random(SEED);
        long start = System.nanoTime();
        Path victims = Files.createDirectory(directory.resolve("victim"));
        try (TestNode node = new TestNode(directory, DISK, Map.of("queues", "2"));
                TestNode other = new TestNode(victims, DISK, Map.of());
                Victim victim = VhostUserVictim.of(other)) {
            node.onLoop(() -> node.port.quiet = true);
            other.onLoop(() -> other.port.quiet = true);
            // once, so that everything lazy is there
            batch(node, random, 500);
            settled(node, -1);
            long before = settled(node, -1);
            while (inputs < INPUTS) {
                boolean slowDisk = random.nextBoolean();
                node.onLoop(() -> node.port.later = slowDisk ? task -> node.loop.schedule(task, 1) : null);
                batch(node, random, Math.min(BATCH, INPUTS - inputs));
                check(victim);
                settled(node, before);
            }
            check(victim);
            assertTrue(
                    victim.slowestMillis() < VICTIM_MILLIS_MAX,
                    "slowest request of the victim: " + victim.slowestMillis() + " ms");
            System.out.println("vhost-user fuzz: " + inputs + " inputs by " + clients + " clients, of whom " + refused
                    + " were disconnected, in " + (System.nanoTime() - start) / 1_000_000_000 + " s; the victim's "
                    + victim.requests()
                    + " requests were right, the slowest took " + victim.slowestMillis() + " ms");
        }
    }

    private static void check(Victim victim) {
        victim.check();
        // the test's own errors of memory that is gone come here, and not later
        Libc.getpagesize();
    }

    private void batch(TestNode node, Random random, int count) throws Exception {
        for (int end = inputs + count; inputs < end; ) {
            clients++;
            try (FuzzClient client = new FuzzClient(node, random)) {
                try {
                    if (random.nextInt(8) > 0) {
                        client.begin();
                    }
                    for (int i = random.nextInt(INPUTS_PER_CLIENT); i >= 0 && inputs < end; i--) {
                        inputs++;
                        try {
                            client.input();
                            Libc.getpagesize();
                        } catch (InternalError e) {
                            // memory that this client has truncated itself; the error may have come anywhere
                            client.forgetRequests();
                        }
                    }
                } catch (IllegalStateException e) {
                    // disconnected, and rightly so
                    refused++;
                }
            }
        }
    }

    /**
     * Waits until the last client has gone and all that it had is closed, and sees whether another is served.
     *
     * @param expected what must be held then, as this returns it; -1 for anything
     */
    private static long settled(TestNode node, long expected) throws Exception {
        node.awaitStatus("client", "none");
        Eventually.holds(
                "held: " + expected + " (mappings, then three digits of descriptors)",
                () -> expected == -1 || held() == expected);
        try (TestMemory memory = new TestMemory(TestDriver.WINDOW);
                VhostUserTestClient client = new VhostUserTestClient(node.socket)) {
            client.negotiate(VirtioBlk.F_VERSION_1 | VirtioBlk.F_PROTOCOL_FEATURES | VirtioBlk.F_FLUSH);
            client.set(
                    Protocol.ADD_MEM_REG,
                    VhostUserTestClient.region(0, TestDriver.WINDOW, VhostUserTestClient.USER, 0),
                    memory.fd);
            try (TestDriver driver = new TestDriver(memory, 0, 0, 0, 64, false)) {
                driver.start(client, 0);
                driver.fill(0, 4096, 5);
                assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_OUT, 0, 4096, false));
                driver.fill(0, 4096, 6);
                assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 4096, false));
                assertTrue(driver.filled(driver.read(driver.data(0), 4096), 5));
            }
        }
        node.awaitStatus("client", "none");
        // the pool's thread that closes descriptors may still be at it
        Thread.sleep(expected == -1 ? 200 : 0);
        return held();
    }

    /** Mappings of memfds and the number of descriptors, as one number. */
    private static long held() throws IOException {
        return ProcessResources.mappings(line -> line.contains("/memfd:test") || line.contains("/memfd:vhost")) * 1000
                + ProcessResources.descriptors();
    }
}
