package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.memory.Memory;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.ProcessResources;
import org.blktap.linux.Libc;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A whole conversation, with a client and a driver in this process, over a real socket on a real loop. */
@Timeout(300)
class VhostUserNodeTest {
    private static final long DISK = 8 << 20;
    /** Above what 32 bits can say. */
    private static final long GUEST = 0x1_4000_0000L;

    private static final long PLAIN = VirtioBlk.F_VERSION_1
            | VirtioBlk.F_PROTOCOL_FEATURES
            | VirtioBlk.F_FLUSH
            | VirtioBlk.F_MQ
            | VirtioBlk.F_CONFIG_WCE
            | VirtioBlk.F_DISCARD
            | VirtioBlk.F_WRITE_ZEROES;
    private static final int MEMORY = 2 * TestDriver.WINDOW;

    @TempDir
    Path directory;

    private TestNode node;
    private TestMemory memory;

    @BeforeEach
    void open() throws Exception {
        node = new TestNode(directory, DISK, Map.of("queues", "2"));
        memory = new TestMemory(MEMORY);
    }

    @AfterEach
    void close() throws Exception {
        node.close();
        memory.close();
    }

    private VhostUserTestClient connect(long features) {
        VhostUserTestClient client = new VhostUserTestClient(node.socket);
        client.negotiate(features);
        share(client);
        return client;
    }

    private void share(VhostUserTestClient client) {
        client.set(
                Protocol.ADD_MEM_REG,
                VhostUserTestClient.region(GUEST, MEMORY, VhostUserTestClient.USER, 0),
                memory.fd);
    }

    private TestDriver driver(int index, long features) {
        return new TestDriver(
                memory, (long) index * TestDriver.WINDOW, GUEST, index, 64, (features & VirtioBlk.F_EVENT_IDX) != 0);
    }

    @ParameterizedTest
    @CsvSource({"false,false", "false,true", "true,false", "true,true"})
    void dataGoesThroughTheRing(boolean eventIdx, boolean indirect) throws Exception {
        long features = PLAIN | (eventIdx ? VirtioBlk.F_EVENT_IDX : 0) | (indirect ? VirtioBlk.F_INDIRECT_DESC : 0);
        long seed = System.nanoTime();
        System.out.println("dataGoesThroughTheRing seed " + seed);
        Random random = new Random(seed);
        byte[] model = new byte[(int) DISK];
        try (VhostUserTestClient client = connect(features);
                TestDriver first = driver(0, features);
                TestDriver second = driver(1, features)) {
            first.start(client, 0);
            second.start(client, 0);
            // more than 65536 requests would take long; the index starts near its wrap in another test
            for (int round = 0; round < 300; round++) {
                TestDriver driver = random.nextBoolean() ? first : second;
                int count = 1 + random.nextInt(TestDriver.SLOTS);
                long[] sector = new long[count];
                int[] length = new int[count];
                boolean[] write = new boolean[count];
                for (int i = 0; i < count; i++) {
                    // disjoint parts of the disk, since requests may end in any order
                    sector[i] = i * 2048L + random.nextInt(2048 - 64);
                    length[i] = 512 * (1 + random.nextInt(64));
                    write[i] = random.nextBoolean();
                    if (write[i]) {
                        int fill = random.nextInt(256);
                        driver.fill(i, length[i], fill);
                        System.arraycopy(
                                driver.read(driver.data(i), length[i]), 0, model, (int) sector[i] * 512, length[i]);
                    }
                    driver.io(i, write[i] ? VirtioBlk.T_OUT : VirtioBlk.T_IN, sector[i], length[i], indirect);
                }
                driver.kick();
                int written = 0;
                for (int i = 0; i < count; i++) {
                    written += driver.next()[1];
                }
                int expected = count;
                for (int i = 0; i < count; i++) {
                    assertEquals(VirtioBlk.S_OK, driver.status(i));
                    if (!write[i]) {
                        expected += length[i];
                        byte[] wanted = new byte[length[i]];
                        System.arraycopy(model, (int) sector[i] * 512, wanted, 0, length[i]);
                        assertArrayEquals(wanted, driver.read(driver.data(i), length[i]));
                    }
                }
                assertEquals(expected, written, "used lengths: the data read and the status bytes");
            }
            assertTrue(first.readEvent(first.call) && second.readEvent(second.call), "the driver is notified");
            assertTrue(
                    first.kicks < 300, "not every batch needs a kick while the loop looks at the ring: " + first.kicks);
        }
        node.awaitStatus("client", "none");
    }

    @Test
    void indexesWrap() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN | VirtioBlk.F_EVENT_IDX);
                TestDriver driver = driver(0, VirtioBlk.F_EVENT_IDX)) {
            driver.availIdx = 0xfff0;
            driver.usedSeen = 0xfff0;
            Memory.putShort(driver.at(driver.avail()) + 2, (short) 0xfff0);
            Memory.putShort(driver.at(driver.used()) + 2, (short) 0xfff0);
            driver.start(client, 0xfff0);
            for (int i = 0; i < 40; i++) {
                assertEquals(VirtioBlk.S_OK, driver.run(i % 8, VirtioBlk.T_IN, i, 512, false));
            }
        }
    }

    @Test
    void theOtherRequests() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_FLUSH, 0, 0, false));
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_GET_ID, 0, 20, false));
            assertArrayEquals(
                    "disk-1\0\0\0\0\0\0\0\0\0\0\0\0\0\0".getBytes(StandardCharsets.US_ASCII),
                    driver.read(driver.data(0), 20));
            assertEquals(VirtioBlk.S_UNSUPP, driver.run(0, 77, 0, 0, false));
            assertEquals(VirtioBlk.S_IOERR, driver.run(0, VirtioBlk.T_IN, DISK / 512, 512, false), "past the end");
            assertEquals(VirtioBlk.S_IOERR, driver.run(0, VirtioBlk.T_IN, -1, 512, false));
            assertEquals(VirtioBlk.S_IOERR, driver.run(0, VirtioBlk.T_IN, Long.MAX_VALUE / 512, 1024, false), "wraps");
            assertEquals(VirtioBlk.S_IOERR, driver.run(0, VirtioBlk.T_OUT, 0, 511, false), "no whole sector");
            assertEquals(VirtioBlk.S_IOERR, driver.run(0, VirtioBlk.T_OUT, 0, 0, false), "no data");

            assertEquals(VirtioBlk.S_OK, range(driver, VirtioBlk.T_DISCARD, 8, 16, 0));
            assertEquals(VirtioBlk.S_OK, range(driver, VirtioBlk.T_WRITE_ZEROES, 8, 16, 1));
            assertEquals(VirtioBlk.S_OK, range(driver, VirtioBlk.T_WRITE_ZEROES, 24, 8, 0));
            assertEquals(
                    VirtioBlk.S_UNSUPP, range(driver, VirtioBlk.T_DISCARD, 8, 16, 1), "unmap is no flag of discard");
            assertEquals(VirtioBlk.S_UNSUPP, range(driver, VirtioBlk.T_WRITE_ZEROES, 8, 16, 2), "unknown flag");
            assertEquals(
                    VirtioBlk.S_IOERR, range(driver, VirtioBlk.T_WRITE_ZEROES, 0, VirtioBlk.ZEROES_SECTORS_MAX + 1, 0));
            assertEquals(VirtioBlk.S_IOERR, range(driver, VirtioBlk.T_DISCARD, -8, 8, 0));
            assertEquals(VirtioBlk.S_IOERR, driver.run(0, VirtioBlk.T_DISCARD, 0, 15, false), "half a segment");
            assertEquals(VirtioBlk.S_UNSUPP, driver.run(0, VirtioBlk.T_DISCARD, 0, 32, false), "two segments");

            List<MemoryPort.Seen> seen = node.loop.call(() -> List.copyOf(node.port.seen));
            assertTrue(seen.contains(new MemoryPort.Seen(Operation.FLUSH, 0, 0, 0)));
            assertTrue(seen.contains(new MemoryPort.Seen(Operation.DISCARD, 4096, 8192, 0)));
            assertTrue(seen.contains(new MemoryPort.Seen(Operation.WRITE_ZEROES, 4096, 8192, 0)));
            assertTrue(seen.contains(new MemoryPort.Seen(Operation.WRITE_ZEROES, 12288, 4096, Request.NO_UNMAP)));
            assertFalse(node.loop.call(() -> node.node.status().containsKey("queues broken")));
        }
    }

    private static int range(TestDriver driver, int type, long sector, int sectors, int flags)
            throws InterruptedException {
        Memory.putLong(driver.data(0), sector);
        Memory.putInt(driver.data(0) + 8, sectors);
        Memory.putInt(driver.data(0) + 12, flags);
        return driver.run(0, type, 0, 16, false);
    }

    /** VERSION_1 lets a driver cut a request where it likes: here into single bytes, and all in one piece each way. */
    @Test
    void anyFraming() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN | VirtioBlk.F_INDIRECT_DESC);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            driver.fill(0, 512, 9);
            driver.header(0, VirtioBlk.T_OUT, 3);
            TestDriver.Piece[] pieces = new TestDriver.Piece[18];
            for (int i = 0; i < 16; i++) {
                pieces[i] = new TestDriver.Piece(driver.guest(driver.slot(0) + i), 1, false);
            }
            pieces[16] = new TestDriver.Piece(driver.guest(driver.slot(0) + TestDriver.DATA), 512, false);
            pieces[17] = new TestDriver.Piece(driver.guest(driver.slot(0) + 64), 1, true);
            driver.add(0, true, pieces);
            driver.kick();
            assertEquals(1, driver.next()[1]);
            assertEquals(VirtioBlk.S_OK, driver.status(0));

            driver.header(1, VirtioBlk.T_IN, 3);
            driver.add(
                    1,
                    false,
                    new TestDriver.Piece(driver.guest(driver.slot(1)), 16, false),
                    new TestDriver.Piece(driver.guest(driver.slot(1) + TestDriver.DATA), 513, true));
            driver.kick();
            assertEquals(513, driver.next()[1]);
            assertTrue(driver.filled(driver.read(driver.data(1), 512), 9));
            assertEquals(0, Memory.getByte(driver.data(1) + 512), "the status is the last byte");
        }
    }

    @Test
    void writesLastWhereTheDriverCannotFlushOrHasTurnedTheCacheOff() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN & ~VirtioBlk.F_FLUSH);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_OUT, 0, 512, false));
            assertEquals(Request.FUA, lastFlags());
        }
        node.awaitStatus("client", "none");
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            driver.run(0, VirtioBlk.T_OUT, 0, 512, false);
            assertEquals(0, lastFlags());
            assertEquals(1, client.config(32, 1).get(12));
            client.set(
                    Protocol.SET_CONFIG,
                    VhostUserTestClient.bytes(13)
                            .putInt(32)
                            .putInt(1)
                            .putInt(0)
                            .put((byte) 0)
                            .flip());
            assertEquals(0, client.config(32, 1).get(12));
            driver.run(0, VirtioBlk.T_OUT, 0, 512, false);
            assertEquals(Request.FUA, lastFlags());
            range(driver, VirtioBlk.T_WRITE_ZEROES, 0, 8, 1);
            assertEquals(Request.FUA, lastFlags());
            assertEquals(
                    1,
                    client.trySet(
                            Protocol.SET_CONFIG,
                            VhostUserTestClient.bytes(20)
                                    .putInt(0)
                                    .putInt(8)
                                    .putInt(0)
                                    .putLong(99)
                                    .flip()),
                    "the capacity is not to be set");
        }
    }

    private int lastFlags() throws Exception {
        return node.loop.call(
                () -> node.port.seen.get(node.port.seen.size() - 1).flags());
    }

    @Test
    void aClosedPortLeavesRequestsInTheRing() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            driver.run(0, VirtioBlk.T_IN, 0, 512, false);
            node.onLoop(() -> node.port.open = false);
            driver.io(0, VirtioBlk.T_IN, 1, 512, false);
            driver.kickAlways();
            Thread.sleep(50);
            assertEquals(1, driver.usedIdx());
            node.onLoop(() -> {
                node.port.open = true;
                node.node.resumed();
            });
            driver.next();
            assertEquals(VirtioBlk.S_OK, driver.status(0));
        }
    }

    @Test
    void stoppedAndStartedAgainWithOtherFeatures() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver firmware = driver(0, 0)) {
            firmware.start(client, 0);
            for (int i = 0; i < 5; i++) {
                firmware.run(0, VirtioBlk.T_IN, 0, 512, false);
            }
            client.set(Protocol.SET_VRING_ENABLE, VhostUserTestClient.state(0, 0));
            assertEquals(
                    5,
                    client.get(Protocol.GET_VRING_BASE, VhostUserTestClient.state(0, 0))
                            .getInt(4));
            firmware.io(0, VirtioBlk.T_IN, 0, 512, false);
            firmware.kickAlways();
            Thread.sleep(20);
            assertEquals(5, firmware.usedIdx(), "a stopped ring is left alone");

            client.set(Protocol.SET_FEATURES, VhostUserTestClient.u64(PLAIN | VirtioBlk.F_EVENT_IDX));
            try (TestDriver kernel = driver(0, VirtioBlk.F_EVENT_IDX)) {
                kernel.start(client, 0);
                for (int i = 0; i < 5; i++) {
                    assertEquals(VirtioBlk.S_OK, kernel.run(0, VirtioBlk.T_OUT, 7, 512, false));
                }
                // User-Mode Linux sets a ring up again without stopping it
                client.set(Protocol.SET_VRING_ENABLE, VhostUserTestClient.state(0, 0));
                kernel.resetRing();
                kernel.start(client, 0);
                assertEquals(VirtioBlk.S_OK, kernel.run(0, VirtioBlk.T_OUT, 7, 512, false));
            }
        }
    }

    @Test
    void stoppingWaitsForWhatIsInFlight() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            node.onLoop(() -> node.port.hold = true);
            driver.io(0, VirtioBlk.T_IN, 0, 512, false);
            driver.io(1, VirtioBlk.T_IN, 1, 512, false);
            driver.kick();
            node.await("two are held", () -> node.port.pending() == 2);
            client.send(Protocol.GET_VRING_BASE, 1, VhostUserTestClient.state(0, 0));
            client.send(Protocol.GET_QUEUE_NUM, 1, VhostUserTestClient.bytes(0));
            Thread.sleep(50);
            assertTrue(client.silent(), "no answer while requests are in flight");
            node.onLoop(node.port::release);
            assertEquals(2, client.reply(Protocol.GET_VRING_BASE).getInt(4));
            assertEquals(2, client.reply(Protocol.GET_QUEUE_NUM).getLong());
            driver.next();
            driver.next();
        }
    }

    /** With a record of requests in flight, as QEMU has one, they are submitted again when the ring starts again. */
    @ParameterizedTest
    @CsvSource({"true", "false"})
    void requestsHeldForTheStorageDoNotKeepARingFromStopping(boolean record) throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            if (record) {
                java.nio.ByteBuffer asked = VhostUserTestClient.bytes(24)
                        .putLong(0)
                        .putLong(0)
                        .putShort((short) 2)
                        .putShort((short) 64)
                        .putInt(0)
                        .flip();
                long size = client.get(Protocol.GET_INFLIGHT_FD, asked).getLong(0);
                asked.putLong(0, size).rewind();
                client.set(Protocol.SET_INFLIGHT_FD, asked, client.replyFd);
            }
            driver.start(client, 0);
            node.onLoop(() -> node.port.hold = true);
            driver.fill(0, 512, 40);
            int first = driver.io(0, VirtioBlk.T_OUT, 10, 512, false);
            int second = driver.io(1, VirtioBlk.T_OUT, 11, 512, false);
            driver.kick();
            node.await("two are held", () -> node.port.pending() == 2);
            client.send(Protocol.GET_VRING_BASE, 1, VhostUserTestClient.state(0, 0));
            Thread.sleep(50);
            assertTrue(client.silent(), "they may be at the disk");
            node.onLoop(() -> node.port.withdrawable = true);
            driver.kickAlways();
            assertEquals(2, client.reply(Protocol.GET_VRING_BASE).getInt(4));
            assertEquals(0, node.port.pending());
            if (record) {
                assertEquals(0, driver.usedIdx(), "nothing is answered");
                node.onLoop(() -> node.port.hold = false);
                driver.start(client, 2);
            }
            assertEquals(first, driver.next()[0]);
            assertEquals(second, driver.next()[0]);
            assertEquals(record ? VirtioBlk.S_OK : VirtioBlk.S_IOERR, driver.status(0));
            assertEquals(record, driver.filled(driver.read(node.port.content.address() + 10 * 512, 512), 40));
            if (!record) {
                node.onLoop(() -> node.port.hold = false);
                driver.start(client, 2);
            }
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
        }
    }

    @Test
    void aClientThatLeavesTakesRequestsAlongThatAreHeldForTheStorage() throws Exception {
        try (TestDriver driver = driver(0, 0)) {
            try (VhostUserTestClient client = connect(PLAIN)) {
                driver.start(client, 0);
                node.onLoop(() -> {
                    node.port.hold = true;
                    node.port.withdrawable = true;
                });
                driver.io(0, VirtioBlk.T_IN, 0, 512, false);
                driver.kick();
                node.await("one is held", () -> node.port.pending() == 1);
            }
            node.awaitStatus("client", "none");
            assertEquals(0, node.port.pending());
        }
    }

    @Test
    void aClientIsCutOffWhileItsRequestsStayInFlight() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            node.onLoop(() -> node.port.hold = true);
            driver.io(0, VirtioBlk.T_IN, 0, 512, false);
            driver.kick();
            node.await("one is held", () -> node.port.pending() == 1);
            node.onLoop(() -> node.node.disconnect());
            assertTrue(client.closedByPeer());
            node.awaitStatus("client", "leaving");
            // what the disk does to the memory now meets a mapping
            node.onLoop(node.port::release);
            node.awaitStatus("client", "none");
        }
    }

    @Test
    void memoryIsReplacedOnlyWhenNothingIsInFlight() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            node.onLoop(() -> node.port.hold = true);
            driver.io(0, VirtioBlk.T_IN, 0, 512, false);
            driver.kick();
            node.await("one is held", () -> node.port.pending() == 1);
            // as User-Mode Linux sends it: room for two regions, one used
            client.send(
                    Protocol.SET_MEM_TABLE,
                    9,
                    VhostUserTestClient.bytes(72)
                            .putInt(1)
                            .putInt(0)
                            .putLong(GUEST)
                            .putLong(MEMORY)
                            .putLong(VhostUserTestClient.USER)
                            .putLong(0)
                            .position(72)
                            .flip(),
                    memory.fd);
            Thread.sleep(50);
            assertTrue(client.silent());
            node.onLoop(node.port::release);
            assertEquals(0, client.reply(Protocol.SET_MEM_TABLE).getLong());
            driver.next();
            assertEquals(
                    VirtioBlk.S_OK,
                    driver.run(0, VirtioBlk.T_IN, 0, 512, false),
                    "the ring goes on in the new mapping");
            assertEquals(
                    1,
                    client.trySet(
                            Protocol.REM_MEM_REG,
                            VhostUserTestClient.region(GUEST, 4096, VhostUserTestClient.USER, 0)));
            client.set(Protocol.REM_MEM_REG, VhostUserTestClient.region(GUEST, MEMORY, VhostUserTestClient.USER, 0));
            node.awaitStatus("queues broken", "1");
        }
    }

    @Test
    void aClientThatLeavesMidWayLeavesNothingBehind() throws Exception {
        // once, so that everything lazy is there
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            driver.run(0, VirtioBlk.T_IN, 0, 512, false);
        }
        node.awaitStatus("client", "none");
        String before = held(memory.fd);
        for (int i = 0; i < 20; i++) {
            TestDriver driver = driver(0, 0);
            VhostUserTestClient client = connect(PLAIN);
            driver.start(client, 0);
            node.onLoop(() -> node.port.hold = true);
            driver.fill(0, 512, i);
            driver.io(0, VirtioBlk.T_OUT, i, 512, false);
            driver.io(1, VirtioBlk.T_IN, i, 512, false);
            driver.kick();
            node.await("two are held", () -> node.port.pending() == 2);
            client.close();
            node.awaitStatus("client", "leaving");
            node.onLoop(node.port::release);
            node.awaitStatus("client", "none");
            assertEquals(2, driver.usedIdx(), "what was in flight is answered all the same");
            driver.close();
        }
        assertEquals(before, held(memory.fd));
    }

    @Test
    void whatEndsJustBeforeTheNodeDoesIsAnswered() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            node.onLoop(() -> node.port.hold = true);
            driver.io(0, VirtioBlk.T_IN, 0, 512, false);
            driver.kick();
            node.await("one is held", () -> node.port.pending() == 1);
            node.onLoop(() -> {
                node.port.release();
                node.node.close();
            });
            driver.next();
            assertEquals(VirtioBlk.S_OK, driver.status(0));
            assertTrue(client.closedByPeer());
        }
    }

    @Test
    void theSecondClientWaitsForItsTurn() throws Exception {
        VhostUserTestClient first = connect(PLAIN);
        VhostUserTestClient second = new VhostUserTestClient(node.socket);
        second.send(Protocol.GET_QUEUE_NUM, 1, VhostUserTestClient.bytes(0));
        Thread.sleep(50);
        assertTrue(second.silent());
        first.close();
        assertEquals(2, second.reply(Protocol.GET_QUEUE_NUM).getLong());
        second.close();
    }

    @ParameterizedTest
    @CsvSource({"jump", "head", "outside", "loop", "nested", "order", "short"})
    void aHostileRingEndsItselfOnly(String attack) throws Exception {
        long features = PLAIN | VirtioBlk.F_INDIRECT_DESC;
        try (VhostUserTestClient client = connect(features);
                TestDriver good = driver(0, 0);
                TestDriver bad = driver(1, 0)) {
            good.start(client, 0);
            bad.start(client, 0);
            long table = bad.at(bad.descriptorTable());
            long slot = bad.guest(bad.slot(0));
            switch (attack) {
                case "jump" -> Memory.putShort(bad.at(bad.avail()) + 2, (short) 65);
                case "head" -> bad.expose(64);
                case "outside" -> {
                    bad.descriptor(table, 0, GUEST + MEMORY - 8, 16, 0, 0);
                    bad.expose(0);
                }
                case "loop" -> {
                    bad.descriptor(table, 0, slot, 16, 1, 1);
                    bad.descriptor(table, 1, slot, 16, 1, 0);
                    bad.expose(0);
                }
                case "nested" -> {
                    bad.descriptor(table, 0, slot, 16, 4, 0);
                    bad.descriptor(bad.at(bad.slot(0)), 0, slot, 16, 4, 0);
                    bad.expose(0);
                }
                case "order" ->
                    bad.add(0, false, new TestDriver.Piece(slot, 16, true), new TestDriver.Piece(slot, 16, false));
                default ->
                    bad.add(0, false, new TestDriver.Piece(slot, 15, false), new TestDriver.Piece(slot + 64, 1, true));
            }
            bad.kickAlways();
            node.awaitStatus("queues broken", "1");
            assertTrue(bad.readEvent(bad.err), "the client is told");
            assertEquals(0, bad.usedIdx());
            assertEquals(VirtioBlk.S_OK, good.run(0, VirtioBlk.T_OUT, 0, 512, false));
            // the driver may reset it
            client.get(Protocol.GET_VRING_BASE, VhostUserTestClient.state(1, 0));
            bad.resetRing();
            bad.start(client, 0);
            assertEquals(VirtioBlk.S_OK, bad.run(0, VirtioBlk.T_OUT, 0, 512, false));
        }
    }

    @Test
    void aHeadThatIsInFlightIsNotTakenTwice() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            node.onLoop(() -> node.port.hold = true);
            int head = driver.io(0, VirtioBlk.T_IN, 0, 512, false);
            driver.kick();
            node.await("one is held", () -> node.port.pending() == 1);
            driver.expose(head);
            driver.kickAlways();
            node.awaitStatus("queues broken", "1");
            node.onLoop(node.port::release);
            client.get(Protocol.GET_VRING_BASE, VhostUserTestClient.state(0, 0));
        }
    }

    @Test
    void memoryThatIsTruncatedEndsTheRingsOnly() throws Exception {
        int twin = Libc.memfd_create("victim", Libc.MFD_CLOEXEC);
        Libc.ftruncate(twin, MEMORY);
        for (int round = 0; round < 5; round++) {
            try (VhostUserTestClient client = connect(PLAIN);
                    TestDriver driver = driver(0, 0)) {
                client.set(
                        Protocol.ADD_MEM_REG,
                        VhostUserTestClient.region(
                                GUEST + (1L << 32), MEMORY, VhostUserTestClient.USER + (1L << 32), 0),
                        twin);
                driver.start(client, 0);
                assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
                Libc.ftruncate(twin, 0);
                long gone = GUEST + (1L << 32);
                // a header that is gone, in one piece and in two
                if (round % 2 == 0) {
                    driver.add(
                            0,
                            false,
                            new TestDriver.Piece(gone, 16, false),
                            new TestDriver.Piece(driver.guest(driver.slot(0) + 64), 1, true));
                } else {
                    driver.add(
                            0,
                            false,
                            new TestDriver.Piece(gone, 8, false),
                            new TestDriver.Piece(gone + 4096, 8, false),
                            new TestDriver.Piece(driver.guest(driver.slot(0) + 64), 1, true));
                }
                driver.kick();
                node.awaitStatus("queues broken", "1");
                Libc.ftruncate(twin, MEMORY);
            }
            node.awaitStatus("client", "none");
        }
        Libc.close(twin);
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false), "the node lives");
        }
    }

    @Test
    void aPipeWillDoForNotifications() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0);
                TestMemory pipe = new TestMemory(4096)) {
            Libc.pipe2(pipe.address(), Libc.O_CLOEXEC);
            int readEnd = Memory.getInt(pipe.address());
            int writeEnd = Memory.getInt(pipe.address() + 4);
            driver.start(client, 0);
            client.set(Protocol.SET_VRING_CALL, VhostUserTestClient.u64(0), writeEnd);
            // more than a pipe holds, with nobody reading
            for (int i = 0; i < 10_000; i++) {
                assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_FLUSH, 0, 0, false));
            }
            assertEquals(8, Libc.read(readEnd, pipe.address() + 64, 8));
            assertEquals(1, Memory.getLong(pipe.address() + 64));
            Libc.close(readEnd);
            Libc.close(writeEnd);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_FLUSH, 0, 0, false), "nobody reads it at all");
        }
    }

    @Test
    void aNewSizeIsToldOverTheBackendsChannel() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN);
                TestMemory pipe = new TestMemory(4096)) {
            Libc.pipe2(pipe.address(), Libc.O_CLOEXEC);
            int readEnd = Memory.getInt(pipe.address());
            int writeEnd = Memory.getInt(pipe.address() + 4);
            client.set(Protocol.SET_BACKEND_REQ_FD, VhostUserTestClient.bytes(0), writeEnd);
            assertEquals(DISK / 512, client.config(0, 57).getLong(12));
            node.onLoop(() -> {
                node.port.info = node.port.info.withSize(2 * DISK);
                node.node.resized();
            });
            assertEquals(12, Libc.read(readEnd, pipe.address() + 64, 64));
            assertEquals(Protocol.BACKEND_CONFIG_CHANGE, Memory.getInt(pipe.address() + 64));
            assertEquals(2 * DISK / 512, client.config(0, 57).getLong(12));
            Libc.close(readEnd);
            Libc.close(writeEnd);
        }
    }

    @Test
    void anInFlightRegionBringsUnansweredRequestsBackInOrder() throws Exception {
        long features = PLAIN;
        TestDriver driver = driver(0, 0);
        VhostUserTestClient client = connect(features);
        java.nio.ByteBuffer answer = client.get(
                Protocol.GET_INFLIGHT_FD,
                VhostUserTestClient.bytes(24)
                        .putLong(0)
                        .putLong(0)
                        .putShort((short) 2)
                        .putShort((short) 64)
                        .putInt(0)
                        .flip());
        int fd = client.replyFd;
        long size = answer.getLong(0);
        assertTrue(fd >= 0 && size > 0);
        java.nio.ByteBuffer given = VhostUserTestClient.bytes(24)
                .putLong(size)
                .putLong(0)
                .putShort((short) 2)
                .putShort((short) 64)
                .putInt(0);
        client.set(Protocol.SET_INFLIGHT_FD, given.flip().duplicate().order(java.nio.ByteOrder.LITTLE_ENDIAN), fd);
        client.set(
                Protocol.SET_CONFIG,
                VhostUserTestClient.bytes(13)
                        .putInt(32)
                        .putInt(1)
                        .putInt(0)
                        .put((byte) 0)
                        .flip());
        driver.start(client, 0);
        driver.run(0, VirtioBlk.T_IN, 0, 512, false);
        node.onLoop(() -> {
            node.port.hold = true;
            node.port.seen.clear();
        });
        int[] heads = new int[4];
        for (int i = 0; i < 4; i++) {
            driver.fill(i, 512, 40 + i);
            heads[i] = driver.io(i, VirtioBlk.T_OUT, 10 + i, 512, false);
        }
        driver.kick();
        node.await("four are held", () -> node.port.pending() == 4);
        // the second one ends, then the daemon is killed: here, all is forgotten but what is in shared memory
        TestNode old = node;
        old.onLoop(() -> {
            old.port.take().get(1).complete(0);
        });
        assertEquals(heads[1], driver.next()[0]);
        old.close();

        node = new TestNode(directory, DISK, Map.of("queues", "2"));
        VhostUserTestClient again = connect(features);
        again.set(
                Protocol.SET_INFLIGHT_FD,
                given.duplicate().order(java.nio.ByteOrder.LITTLE_ENDIAN).rewind(),
                fd);
        assertEquals(0, again.config(32, 1).get(12), "the driver's choice of write-through has survived");
        // QEMU knows the used index only
        driver.start(again, driver.usedIdx());
        assertEquals(heads[0], driver.next()[0]);
        assertEquals(heads[2], driver.next()[0]);
        assertEquals(heads[3], driver.next()[0]);
        List<MemoryPort.Seen> seen = node.loop.call(() -> List.copyOf(node.port.seen));
        assertEquals(
                List.of(10L * 512, 12L * 512, 13L * 512),
                seen.stream().map(MemoryPort.Seen::offset).toList());
        assertTrue(driver.filled(driver.read(node.port.content.address() + 13 * 512, 512), 43));
        assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false), "and the ring goes on behind them");
        again.close();
        client.close();
        driver.close();
    }

    /** What this process holds: descriptors, and mappings of a memfd. */
    private static String held(int memfd) throws IOException {
        return ProcessResources.descriptors() + " descriptors, " + ProcessResources.mappingsOf(memfd) + " mappings";
    }

    @Test
    void oddMessagesAreRefusedAndLeakNothing() throws Exception {
        try (VhostUserTestClient client = connect(PLAIN)) {
            String before = held(memory.fd);
            for (int i = 0; i < 20; i++) {
                assertEquals(1, client.trySet(Protocol.SET_VRING_NUM, VhostUserTestClient.state(0, 63)));
                assertEquals(1, client.trySet(Protocol.SET_VRING_NUM, VhostUserTestClient.state(0, 2048)));
                assertEquals(1, client.trySet(Protocol.SET_VRING_NUM, VhostUserTestClient.state(2, 64)));
                assertEquals(1, client.trySet(Protocol.SET_VRING_NUM, VhostUserTestClient.state(-1, 64)));
                assertEquals(
                        1, client.trySet(Protocol.SET_FEATURES, VhostUserTestClient.u64(1L << 34)), "packed rings");
                assertEquals(1, client.trySet(99, VhostUserTestClient.bytes(0), memory.fd, memory.fd));
                assertEquals(1, client.trySet(Protocol.SET_VRING_KICK, VhostUserTestClient.u64(0)), "no descriptor");
                assertEquals(
                        1,
                        client.trySet(Protocol.SET_VRING_KICK, VhostUserTestClient.u64(0), memory.fd),
                        "cannot be waited for");
                assertEquals(
                        1,
                        client.trySet(
                                Protocol.ADD_MEM_REG,
                                VhostUserTestClient.region(GUEST, MEMORY, VhostUserTestClient.USER, 0),
                                memory.fd),
                        "overlaps");
                assertEquals(
                        1,
                        client.trySet(Protocol.ADD_MEM_REG, VhostUserTestClient.region(0, MEMORY + 1, 0, 0), memory.fd),
                        "past the end");
                assertEquals(
                        1, client.trySet(Protocol.ADD_MEM_REG, VhostUserTestClient.region(0, -1, 0, 0), memory.fd));
                assertEquals(1, client.trySet(Protocol.ADD_MEM_REG, VhostUserTestClient.region(0, 4096, 0, 0)));
                assertEquals(
                        1,
                        client.trySet(
                                Protocol.SET_INFLIGHT_FD,
                                VhostUserTestClient.bytes(24)
                                        .putLong(1 << 30)
                                        .putLong(1L << 40)
                                        .putShort((short) 2)
                                        .putShort((short) 64)
                                        .putInt(0)
                                        .flip(),
                                memory.fd));
                assertEquals(
                        1,
                        client.trySet(
                                Protocol.SET_INFLIGHT_FD,
                                VhostUserTestClient.bytes(24)
                                        .putLong(64)
                                        .putLong(0)
                                        .putShort((short) 2)
                                        .putShort((short) 64)
                                        .putInt(0)
                                        .flip(),
                                memory.fd));
            }
            client.set(Protocol.SET_OWNER, VhostUserTestClient.bytes(0), memory.fd, memory.fd, memory.fd);
            assertEquals(before, held(memory.fd));
            assertEquals(2, client.getU64(Protocol.GET_QUEUE_NUM));
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,269", "1,1,-1", "1,0,0", "1,2,0", "1,5,0", "24,1,11", "24,1,12", "2,1,4"})
    void framesThatAreWrongEndTheConnection(int request, int flags, int size) throws Exception {
        try (VhostUserTestClient client = new VhostUserTestClient(node.socket)) {
            int body = Math.max(0, Math.min(size, 100));
            client.raw(VhostUserTestClient.bytes(12 + body)
                    .putInt(request)
                    .putInt(flags)
                    .putInt(size)
                    .position(12 + body)
                    .flip());
            assertTrue(client.closedByPeer());
        }
        node.awaitStatus("client", "none");
    }

    @Test
    void messagesMayComeInPieces() throws Exception {
        try (VhostUserTestClient client = new VhostUserTestClient(node.socket)) {
            java.nio.ByteBuffer message = VhostUserTestClient.bytes(12 + 12 + 8)
                    .putInt(Protocol.GET_CONFIG)
                    .putInt(1)
                    .putInt(20)
                    .putInt(0)
                    .putInt(8)
                    .putInt(0)
                    .putLong(0)
                    .flip();
            while (message.hasRemaining()) {
                client.raw(VhostUserTestClient.bytes(1).put(message.get()).flip(), memory.fd);
                Thread.sleep(1);
            }
            assertEquals(DISK / 512, client.reply(Protocol.GET_CONFIG).getLong(12));
            client.raw(VhostUserTestClient.bytes(5).put(new byte[5]).flip());
        }
        node.awaitStatus("client", "none");
    }

    @Test
    void randomMessagesHarmNothing() throws Exception {
        long seed = System.nanoTime();
        System.out.println("randomMessagesHarmNothing seed " + seed);
        Random random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            try (VhostUserTestClient client = new VhostUserTestClient(node.socket)) {
                int messages = 1 + random.nextInt(30);
                for (int i = 0; i < messages; i++) {
                    int size = random.nextInt(8) == 0
                            ? random.nextInt(80)
                            : new int[] {0, 8, 40, 20, 24, 72}[random.nextInt(6)];
                    java.nio.ByteBuffer payload = VhostUserTestClient.bytes(size);
                    while (payload.remaining() >= 4) {
                        payload.putInt(random.nextBoolean() ? random.nextInt(4) : random.nextInt());
                    }
                    payload.position(size).flip();
                    int[] fds = new int[random.nextInt(3)];
                    java.util.Arrays.fill(fds, memory.fd);
                    try {
                        client.send(random.nextInt(40), 1, payload, fds);
                    } catch (IllegalStateException e) {
                        // cut off already, and rightly so
                        break;
                    }
                }
            }
        }
        node.awaitStatus("client", "none");
        try (VhostUserTestClient client = connect(PLAIN);
                TestDriver driver = driver(0, 0)) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
        }
        assertFalse(node.socket.toFile().isFile());
    }
}
