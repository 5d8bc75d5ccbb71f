package org.blktap.node.vhostuser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.blktap.api.memory.Memory;
import org.blktap.api.testkit.Eventually;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a client may do to its memory, its descriptors and its rings harms itself only, and ends when it ends. */
@Timeout(300)
class HostileClientTest {
    private static final long DISK = 4 << 20;
    private static final long GUEST = 0x1_4000_0000L;
    private static final int MEMORY = 2 * TestDriver.WINDOW;
    private static final long FEATURES = VirtioBlk.F_VERSION_1
            | VirtioBlk.F_PROTOCOL_FEATURES
            | VirtioBlk.F_FLUSH
            | VirtioBlk.F_CONFIG_WCE
            | VirtioBlk.F_DISCARD
            | VirtioBlk.F_WRITE_ZEROES
            | VirtioBlk.F_INDIRECT_DESC
            | VirtioBlk.F_MQ;

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

    private VhostUserTestClient connect() {
        VhostUserTestClient client = new VhostUserTestClient(node.socket);
        client.negotiate(FEATURES);
        client.set(
                Protocol.ADD_MEM_REG,
                VhostUserTestClient.region(GUEST, MEMORY, VhostUserTestClient.USER, 0),
                memory.fd);
        return client;
    }

    private TestDriver driver(int index) {
        return new TestDriver(memory, (long) index * TestDriver.WINDOW, GUEST, index, 64, false);
    }

    private void assertServed() throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0)) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_OUT, 0, 512, false));
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
        }
        node.awaitStatus("client", "none");
    }

    private static ByteBuffer inflight(long size, int queues, int queueSize) {
        return VhostUserTestClient.bytes(24)
                .putLong(size)
                .putLong(0)
                .putShort((short) queues)
                .putShort((short) queueSize)
                .putInt(0)
                .flip();
    }

    private static ByteBuffer writeback(int on) {
        return VhostUserTestClient.bytes(13)
                .putInt(32)
                .putInt(1)
                .putInt(0)
                .put((byte) on)
                .flip();
    }

    // ---- memory that is truncated

    /** The data of each operation lies in memory that is gone; rings and headers do not. */
    @ParameterizedTest
    @ValueSource(
            ints = {
                VirtioBlk.T_IN,
                VirtioBlk.T_OUT,
                VirtioBlk.T_FLUSH,
                VirtioBlk.T_GET_ID,
                VirtioBlk.T_DISCARD,
                VirtioBlk.T_WRITE_ZEROES,
                77
            })
    void operationsOnTruncatedMemory(int type) throws Exception {
        long gone = GUEST + (1L << 32);
        for (int round = 0; round < 6; round++) {
            TestMemory victim = new TestMemory(1 << 20);
            try (VhostUserTestClient client = connect();
                    TestDriver driver = driver(0)) {
                client.set(
                        Protocol.ADD_MEM_REG,
                        VhostUserTestClient.region(gone, 1 << 20, VhostUserTestClient.USER + (1L << 32), 0),
                        victim.fd);
                driver.start(client, 0);
                // compiled code and interpreted code fail differently
                for (int i = 0; i < round * 60; i++) {
                    assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 4096, false));
                }
                Libc.ftruncate(victim.fd, 0);
                driver.header(0, type, 0);
                boolean in = type == VirtioBlk.T_IN || type == VirtioBlk.T_GET_ID;
                int length = type == VirtioBlk.T_DISCARD || type == VirtioBlk.T_WRITE_ZEROES
                        ? 16
                        : type == VirtioBlk.T_GET_ID ? 20 : 65536;
                TestDriver.Piece header = new TestDriver.Piece(driver.guest(driver.slot(0)), 16, false);
                TestDriver.Piece data = new TestDriver.Piece(gone + 4096, length, in);
                TestDriver.Piece status = new TestDriver.Piece(driver.guest(driver.slot(0) + 64), 1, true);
                TestDriver.Piece goneStatus = new TestDriver.Piece(gone, 1, true);
                if (type == VirtioBlk.T_FLUSH) {
                    driver.add(0, false, header, round % 2 == 0 ? goneStatus : status);
                } else {
                    driver.add(0, round % 3 == 0, header, data, round % 2 == 0 ? goneStatus : status);
                }
                driver.kick();
                Eventually.holds(
                        "answered or broken",
                        () -> driver.usedIdx() != driver.usedSeen
                                || node.loop.call(() -> node.node.status().containsKey("queues broken")));
            }
            node.awaitStatus("client", "none");
            victim.close();
        }
        assertServed();
    }

    /** Each part of a ring, and an indirect table, in memory of its own that is truncated between requests. */
    @ParameterizedTest
    @ValueSource(strings = {"ring", "indirect", "everything"})
    void ringsInTruncatedMemory(String what) throws Exception {
        for (int round = 0; round < 6; round++) {
            TestMemory ram = new TestMemory(MEMORY);
            try (VhostUserTestClient client = new VhostUserTestClient(node.socket)) {
                client.negotiate(FEATURES);
                client.set(
                        Protocol.ADD_MEM_REG,
                        VhostUserTestClient.region(GUEST, MEMORY, VhostUserTestClient.USER, 0),
                        ram.fd);
                try (TestDriver driver = new TestDriver(ram, 0, GUEST, 0, 64, false)) {
                    driver.start(client, 0);
                    for (int i = 0; i < round * 60; i++) {
                        assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 4096, i % 2 == 0));
                    }
                    // the avail index is seen, and then its memory goes
                    node.onLoop(() -> node.port.hold = true);
                    driver.io(0, VirtioBlk.T_IN, 0, 4096, what.equals("indirect"));
                    driver.kickAlways();
                    node.await("one is held", () -> node.port.pending() == 1);
                    Libc.ftruncate(
                            ram.fd, what.equals("ring") ? 0x5000 : what.equals("indirect") ? TestDriver.SLOT : 0);
                    node.onLoop(node.port::release);
                    driver.kickAlways();
                    if (!what.equals("indirect")) {
                        node.awaitStatus("queues broken", "1");
                    }
                    assertEquals(
                            1,
                            client.trySet(Protocol.SET_VRING_NUM, VhostUserTestClient.state(0, 63)),
                            "messages are still answered");
                }
            }
            node.awaitStatus("client", "none");
            ram.close();
        }
        assertServed();
    }

    @Test
    void aTruncatedInFlightRegionEndsItsClientOnce() throws Exception {
        try (VhostUserTestClient client = connect()) {
            ByteBuffer answer = client.get(Protocol.GET_INFLIGHT_FD, inflight(0, 1, 128));
            int fd = client.replyFd;
            client.set(Protocol.SET_INFLIGHT_FD, inflight(answer.getLong(0), 1, 128), fd);
            Libc.ftruncate(fd, 0);
            client.send(Protocol.SET_CONFIG, 9, writeback(0));
            assertTrue(client.closedByPeer());
        }
        node.awaitStatus("client", "none");
        // and so does one that is truncated when it comes, or while its ring runs
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0)) {
            ByteBuffer answer = client.get(Protocol.GET_INFLIGHT_FD, inflight(0, 1, 128));
            int fd = client.replyFd;
            client.set(Protocol.SET_INFLIGHT_FD, inflight(answer.getLong(0), 1, 128), fd);
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
            Libc.ftruncate(fd, 0);
            driver.io(0, VirtioBlk.T_IN, 0, 512, false);
            driver.kickAlways();
            node.awaitStatus("queues broken", "1");
        }
        node.awaitStatus("client", "none");
        assertServed();
    }

    /** The ring would go on with a record that is not mapped any more, which ends the process. */
    @Test
    void anInFlightRegionIsNotExchangedUnderARing() throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0)) {
            ByteBuffer answer = client.get(Protocol.GET_INFLIGHT_FD, inflight(0, 1, 128));
            int fd = client.replyFd;
            client.set(Protocol.SET_INFLIGHT_FD, inflight(answer.getLong(0), 1, 128), fd);
            driver.start(client, 0);
            assertEquals(1, client.trySet(Protocol.SET_INFLIGHT_FD, inflight(answer.getLong(0), 1, 128), fd));
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_OUT, 0, 512, false));
            assertEquals(
                    1,
                    client.trySet(Protocol.SET_INFLIGHT_FD, inflight(answer.getLong(0), 3, 128), fd),
                    "more queues than there are");
        }
    }

    // ---- what is shared

    @Test
    void onlySharedMemoryIsMapped() throws Exception {
        Path file = Files.createTempFile(Path.of("").toAbsolutePath().resolve("target"), "no-tmpfs", "");
        Files.write(file, new byte[1 << 20]);
        int onDisk = Libc.open(file.toString(), Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        int zero = Libc.open("/dev/zero", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        int event = Libc.eventfd(0, Libc.EFD_CLOEXEC);
        Path shm = Files.createTempFile(Path.of("/dev/shm"), "tmpfs", "");
        Files.write(shm, new byte[1 << 20]);
        int onTmpfs = Libc.open(shm.toString(), Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        Files.delete(shm);
        try (VhostUserTestClient client = connect()) {
            int[] refused = Received.kind(onDisk) == Received.MEMORY
                    ? new int[] {zero, event}
                    : new int[] {onDisk, zero, event};
            for (int fd : refused) {
                assertEquals(1, client.trySet(Protocol.ADD_MEM_REG, VhostUserTestClient.region(0, 1 << 20, 0, 0), fd));
                assertEquals(1, client.trySet(Protocol.SET_INFLIGHT_FD, inflight(1 << 20, 1, 64), fd));
            }
            client.set(Protocol.ADD_MEM_REG, VhostUserTestClient.region(0, 1 << 20, 0, 0), onTmpfs);
            assertEquals(
                    1,
                    client.trySet(
                            Protocol.ADD_MEM_REG, VhostUserTestClient.region(1 << 20, 1 << 20, 1 << 20, 4096), onTmpfs),
                    "past its end");
        }
        Libc.close(onDisk);
        Libc.close(zero);
        Libc.close(event);
        Libc.close(onTmpfs);
        Files.delete(file);
    }

    @Test
    void addressSpaceIsLimitedAndGivenBack() throws Exception {
        TestMemory sparse = new TestMemory(4096);
        // as sparse as memory files go
        assertEquals(0, Libc.ftruncate(sparse.fd, 1L << 46));
        try (VhostUserTestClient client = connect()) {
            assertEquals(
                    1,
                    client.trySet(
                            Protocol.ADD_MEM_REG, VhostUserTestClient.region(0, 1L << 46, 1L << 40, 0), sparse.fd),
                    "64 TiB at once");
            long tib = 1L << 40;
            int mapped = 0;
            for (int i = 0; i < 100; i++) {
                mapped += client.trySet(
                                        Protocol.ADD_MEM_REG,
                                        VhostUserTestClient.region((i + 1) * tib, tib, (i + 200) * tib, 0),
                                        sparse.fd)
                                == 0
                        ? 1
                        : 0;
            }
            assertEquals(3, mapped, "one of the four TiB is begun by the memory that is there");
        }
        node.awaitStatus("client", "none");
        try (VhostUserTestClient client = connect()) {
            client.set(Protocol.ADD_MEM_REG, VhostUserTestClient.region(1L << 42, 3L << 40, 1L << 47, 0), sparse.fd);
        }
        sparse.close();
    }

    // ---- descriptors that block

    @Test
    void aFullPipeDoesNotBlockTheLoop() throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0);
                TestMemory pipe = new TestMemory(4096)) {
            Libc.pipe2(pipe.address(), Libc.O_CLOEXEC);
            int readEnd = Memory.getInt(pipe.address());
            int writeEnd = Memory.getInt(pipe.address() + 4);
            driver.start(client, 0);
            client.set(Protocol.SET_VRING_CALL, VhostUserTestClient.u64(0), writeEnd);
            client.set(Protocol.SET_BACKEND_REQ_FD, VhostUserTestClient.bytes(0), writeEnd);
            fill(writeEnd);
            Libc.fcntl(writeEnd, Libc.F_SETFL, 0);
            for (int i = 0; i < 2000; i++) {
                assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_FLUSH, 0, 0, false));
                node.onLoop(() -> node.node.resized());
            }
            Libc.close(readEnd);
            Libc.close(writeEnd);
        }
        node.awaitStatus("client", "none");
        assertServed();
    }

    private static void fill(int pipe) {
        Libc.fcntl(pipe, Libc.F_SETFL, Libc.O_NONBLOCK);
        try (Mapping page = Mapping.anonymous(4096)) {
            while (Libc.write(pipe, page.address(), 4096) > 0) {
                Thread.onSpinWait();
            }
        }
    }

    /** User-Mode Linux has such sockets for its calls, too. */
    @Test
    void aFullSocketDoesNotBlockTheLoop() throws Exception {
        try (VhostUserTestClient client = connect();
                TestMemory pair = new TestMemory(4096)) {
            Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair.address());
            client.set(Protocol.SET_BACKEND_REQ_FD, VhostUserTestClient.bytes(0), Memory.getInt(pair.address()));
            Libc.fcntl(Memory.getInt(pair.address()), Libc.F_SETFL, 0);
            node.onLoop(() -> node.node.resized());
            assertEquals(12, Libc.recv(Memory.getInt(pair.address() + 4), pair.address() + 64, 12, 0));
            assertEquals(Protocol.BACKEND_CONFIG_CHANGE, Memory.getInt(pair.address() + 64));
            try (TestDriver driver = driver(1)) {
                driver.start(client, 0);
                client.set(Protocol.SET_VRING_CALL, VhostUserTestClient.u64(1), Memory.getInt(pair.address()));
                Libc.recv(Memory.getInt(pair.address() + 4), pair.address() + 64, 64, Libc.MSG_DONTWAIT);
                assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_FLUSH, 0, 0, false));
                assertEquals(8, Libc.recv(Memory.getInt(pair.address() + 4), pair.address() + 64, 8, 0));
                assertEquals(1, Memory.getLong(pair.address() + 64));
                for (int i = 0; i < 2000; i++) {
                    assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_FLUSH, 0, 0, false));
                    node.onLoop(() -> node.node.resized());
                }
            }
            Libc.close(Memory.getInt(pair.address()));
            Libc.close(Memory.getInt(pair.address() + 4));
        }
        assertServed();
    }

    /** A write to it waits, for ever if nobody reads; the client is disconnected instead. */
    @ParameterizedTest
    @ValueSource(strings = {"call", "err"})
    void aFullEventfdEndsItsClient(String which) throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0);
                TestMemory eight = new TestMemory(4096)) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_FLUSH, 0, 0, false));
            int fd = which.equals("call") ? driver.call : driver.err;
            driver.readEvent(fd);
            Memory.putLong(eight.address(), -2);
            assertEquals(8, Libc.write(fd, eight.address(), 8));
            Libc.fcntl(fd, Libc.F_SETFL, 0);
            if (which.equals("call")) {
                driver.io(0, VirtioBlk.T_FLUSH, 0, 0, false);
            } else {
                driver.expose(64);
            }
            driver.kickAlways();
            assertTrue(client.closedByPeer());
        }
        node.awaitStatus("client", "none");
        assertServed();
    }

    @Test
    void kicksAreNotRead() throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0);
                TestMemory pipe = new TestMemory(4096)) {
            driver.start(client, 0);
            // drained and blocking: a read of it would wait
            Libc.fcntl(driver.kick, Libc.F_SETFL, 0);
            for (int i = 0; i < 200; i++) {
                int head = driver.io(0, VirtioBlk.T_IN, 0, 512, false);
                driver.kickAlways();
                assertEquals(head, driver.next()[0]);
                driver.readEvent(driver.kick);
                Thread.sleep(0, 200_000);
            }
            Libc.pipe2(pipe.address(), Libc.O_CLOEXEC);
            assertEquals(
                    1,
                    client.trySet(Protocol.SET_VRING_KICK, VhostUserTestClient.u64(1), Memory.getInt(pipe.address())));
            assertEquals(1, client.trySet(Protocol.SET_VRING_CALL, VhostUserTestClient.u64(1), memory.fd));
            assertEquals(1, client.trySet(Protocol.SET_VRING_ERR, VhostUserTestClient.u64(1), memory.fd));
            assertEquals(1, client.trySet(Protocol.SET_BACKEND_REQ_FD, VhostUserTestClient.bytes(0), memory.fd));
            Libc.close(Memory.getInt(pipe.address()));
            Libc.close(Memory.getInt(pipe.address() + 4));
        }
        assertServed();
    }

    // ---- rings

    @Test
    void chainsAreAsLongAsOffered() throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0)) {
            driver.start(client, 0);
            assertEquals(VirtioBlk.S_OK, chain(driver, VirtioBlk.SEG_MAX), "seg_max, header and status");
            driver.header(0, VirtioBlk.T_IN, 0);
            put(driver, VirtioBlk.SEG_MAX + 1);
            driver.kick();
            node.awaitStatus("queues broken", "1");
        }
    }

    private static int chain(TestDriver driver, int segments) throws InterruptedException {
        driver.header(0, VirtioBlk.T_IN, 0);
        put(driver, segments);
        driver.kick();
        driver.next();
        return driver.status(0);
    }

    private static void put(TestDriver driver, int segments) {
        TestDriver.Piece[] pieces = new TestDriver.Piece[segments + 2];
        pieces[0] = new TestDriver.Piece(driver.guest(driver.slot(0)), 16, false);
        for (int i = 1; i <= segments; i++) {
            // not neighbours, or they would be joined
            pieces[i] = new TestDriver.Piece(driver.guest(driver.slot(1) + (segments - i) * 512L), 512, true);
        }
        pieces[segments + 1] = new TestDriver.Piece(driver.guest(driver.slot(0) + 64), 1, true);
        driver.add(7, true, pieces);
    }

    /** Memory in regions of a page would make thousands of pieces of one request. */
    @Test
    void piecesOfARequestAreBounded() throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0)) {
            long base = GUEST + (1L << 36);
            for (int i = 0; i < 400; i++) {
                // neighbours in the guest, apart in the file
                client.set(
                        Protocol.ADD_MEM_REG,
                        VhostUserTestClient.region(
                                base + i * 4096L,
                                4096,
                                VhostUserTestClient.USER + (1L << 36) + i * 8192L,
                                i % 2 * 8192L),
                        memory.fd);
            }
            driver.start(client, 0);
            driver.header(0, VirtioBlk.T_IN, 0);
            driver.add(
                    0,
                    false,
                    new TestDriver.Piece(driver.guest(driver.slot(0)), 16, false),
                    new TestDriver.Piece(base, 200 * 4096, true),
                    new TestDriver.Piece(driver.guest(driver.slot(0) + 64), 1, true));
            driver.kick();
            driver.next();
            assertEquals(VirtioBlk.S_OK, driver.status(0));
            driver.add(
                    0,
                    false,
                    new TestDriver.Piece(driver.guest(driver.slot(0)), 16, false),
                    new TestDriver.Piece(base, 300 * 4096, true),
                    new TestDriver.Piece(driver.guest(driver.slot(0) + 64), 1, true));
            driver.kick();
            node.awaitStatus("queues broken", "1");
        }
    }

    @Test
    void theLogIsNotFilled() {
        ClientLog log = new ClientLog("test");
        int[] lines = {0};
        java.util.logging.Handler counter = new java.util.logging.Handler() {
            @Override
            public void publish(java.util.logging.LogRecord record) {
                lines[0]++;
            }

            @Override
            public void flush() {
                // nothing is held
            }

            @Override
            public void close() {
                // nothing is open
            }
        };
        java.util.logging.Logger logger = java.util.logging.Logger.getLogger("org.blktap.node.vhost-user");
        logger.addHandler(counter);
        logger.setUseParentHandlers(false);
        try {
            for (int i = 0; i < 100_000; i++) {
                log.log(System.Logger.Level.WARNING, "again");
            }
        } finally {
            logger.removeHandler(counter);
            logger.setUseParentHandlers(true);
        }
        assertTrue(lines[0] <= ClientLog.BURST + 6, lines[0] + " lines");
    }

    /** A disk that throws, or forgets, is its attachment's trouble; the ring and the connection go on. */
    @Test
    void aDiskThatThrowsFailsTheRequest() throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0)) {
            driver.start(client, 0);
            node.onLoop(() -> node.port.thrown = new AssertionError("for the test"));
            assertEquals(VirtioBlk.S_IOERR, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
            node.onLoop(() -> node.port.thrown = null);
            assertEquals(VirtioBlk.S_OK, driver.run(0, VirtioBlk.T_IN, 0, 512, false));
        }
        node.awaitStatus("client", "none");
    }

    // ---- requests in flight

    @Test
    void aForcedDetachDoesNotWaitForRequests() throws Exception {
        try (VhostUserTestClient client = connect();
                TestDriver driver = driver(0)) {
            driver.start(client, 0);
            node.onLoop(() -> node.port.hold = true);
            driver.io(0, VirtioBlk.T_IN, 0, 512, false);
            driver.kickAlways();
            node.await("one is held", () -> node.port.pending() == 1);
            node.onLoop(node.node::disconnect);
            assertTrue(client.closedByPeer());
            assertFalse(Files.exists(node.socket));
            node.awaitStatus("client", "leaving");
            assertTrue(
                    node.loop.call(() ->
                            node.node.status().get("guest memory").toString().endsWith("in 1 regions")),
                    "the disk may still use it");
            driver.io(1, VirtioBlk.T_IN, 0, 512, false);
            driver.kickAlways();
            node.onLoop(node.port::release);
            node.awaitStatus("client", "none");
            assertEquals(1, driver.usedIdx(), "what was in flight is answered, no more is taken");
        }
    }

    @Test
    void requestsBeyondTheLimitWaitInTheRing() throws Exception {
        Path other = Files.createDirectory(directory.resolve("other"));
        VhostUserNodeProvider provider = new VhostUserNodeProvider(
                TestMemory.SETTINGS, new VhostUserLimits(TestMemory.SETTINGS, new ClientBudget(4, 6, 100)));
        try (TestNode few = new TestNode(other, Mapping.anonymous(DISK), Map.of(), provider);
                VhostUserTestClient client = new VhostUserTestClient(few.socket);
                TestDriver driver = driver(0)) {
            client.negotiate(FEATURES);
            client.set(
                    Protocol.ADD_MEM_REG,
                    VhostUserTestClient.region(GUEST, MEMORY, VhostUserTestClient.USER, 0),
                    memory.fd);
            driver.start(client, 0);
            few.onLoop(() -> few.port.hold = true);
            for (int i = 0; i < 20; i++) {
                driver.io(i % TestDriver.SLOTS, VirtioBlk.T_IN, 0, 512, true);
            }
            driver.kickAlways();
            few.await("six are held", () -> few.port.pending() == 6);
            driver.kickAlways();
            Thread.sleep(50);
            assertEquals(6, (int) few.loop.call(few.port::pending));
            few.onLoop(few.port::release);
            for (int i = 0; i < 20; i++) {
                driver.next();
            }
        }
    }

    @Test
    void whatABurstTookIsGivenBack() throws Exception {
        NodeParts parts = new NodeParts(
                new ClientLog("test"),
                new BlockingCalls("test"),
                new VhostUserLimits(TestMemory.SETTINGS, new ClientBudget(4, 300, 300)));
        VirtioBlkDevice device = node.loop.call(
                () -> new VirtioBlkDevice(node.context(directory, Map.of(), ""), 1, parts, (why, cause) -> {
                    // not reached
                }));
        RequestPool pool = device.pool();
        node.onLoop(() -> {
            VirtioBlkRequest[] all = new VirtioBlkRequest[300];
            for (int i = 0; i < all.length; i++) {
                all[i] = pool.take();
            }
            assertEquals(null, pool.take());
            assertTrue(pool.exhausted());
            for (VirtioBlkRequest each : all) {
                pool.giveBack(each);
            }
            assertFalse(pool.exhausted());
        });
        node.await("all but a few are gone", () -> pool.made() == RequestPool.KEPT);
        assertEquals(
                300 - (RequestPool.KEPT - 4), parts.limits().requests.quota().common());
        node.onLoop(device::close);
        assertEquals(300, parts.limits().requests.quota().common());
    }

    @Test
    void callsThatBlockAreCounted() throws Exception {
        BlockingCalls calls = new BlockingCalls("test");
        java.util.concurrent.CountDownLatch stuck = new java.util.concurrent.CountDownLatch(1);
        for (int i = 0; i < BlockingCalls.BACKLOG_MAX + 2; i++) {
            assertFalse(calls.overloaded());
            calls.execute(() -> {
                try {
                    stuck.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
        }
        assertTrue(calls.overloaded());
        stuck.countDown();
        Eventually.holds("not overloaded", () -> !calls.overloaded());
    }
}
