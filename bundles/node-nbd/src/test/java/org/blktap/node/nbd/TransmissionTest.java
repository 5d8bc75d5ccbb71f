package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Memory;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.ProcessResources;
import org.blktap.node.nbd.NbdTestClient.Reply;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Clients on a real socket against a disk in memory that answers late and in any order. */
@Timeout(60)
class TransmissionTest {
    private static final int SIZE = 80 << 20;

    @TempDir
    Path directory;

    private NbdTestDaemon daemon;
    private MemoryPort disk;

    @BeforeEach
    void start() throws Exception {
        daemon = new NbdTestDaemon(directory);
        disk = daemon.attach("disk", SIZE, Map.of());
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    private NbdTestClient client(boolean structured) throws IOException {
        return NbdTestClient.on(daemon.socket(), "disk", structured);
    }

    private byte[] stored(long offset, int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = Memory.getByte(disk.content.address() + offset + i);
        }
        return bytes;
    }

    private static byte[] noise(int length, long seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatIsWrittenIsRead(boolean structured) throws Exception {
        try (NbdTestClient client = client(structured)) {
            assertEquals(SIZE, client.size);
            for (int length : new int[] {1, 512, 4096, 100_000, 300_000, 5 << 20, Nbd.MAX_PAYLOAD}) {
                byte[] data = noise(length, length);
                client.requestWrite(0, length, 512, data);
                assertEquals(new Answer(-1, 0, length), Answer.of(client.reply()));
                assertArrayEquals(data, stored(512, length));
                client.request(Nbd.CMD_READ, 0, ~length, 512, length);
                Reply read = client.reply(length);
                assertEquals(new Answer(structured ? Nbd.REPLY_TYPE_OFFSET_DATA : -1, 0, ~length), Answer.of(read));
                assertEquals(structured ? 512 : 0, read.offset());
                assertArrayEquals(data, read.data());
            }
        }
    }

    @Test
    void zerosAreAnsweredAsAHole() throws Exception {
        disk.zerosFrom = 4096;
        try (NbdTestClient client = client(true)) {
            client.request(Nbd.CMD_READ, 0, 7, 8192, 65536);
            Reply hole = client.reply();
            assertEquals(new Answer(Nbd.REPLY_TYPE_OFFSET_HOLE, 0, 7), Answer.of(hole));
            assertEquals(8192, hole.offset());
            assertArrayEquals(new byte[] {0, 1, 0, 0}, hole.data());
            // who wants it in one piece gets data
            client.request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 8, 8192, 512);
            assertEquals(new Answer(Nbd.REPLY_TYPE_OFFSET_DATA, 0, 8), Answer.of(client.reply()));
            client.request(Nbd.CMD_READ, 0, 9, 0, 512);
            assertEquals(new Answer(Nbd.REPLY_TYPE_OFFSET_DATA, 0, 9), Answer.of(client.reply()));
        }
        try (NbdTestClient client = client(false)) {
            client.request(Nbd.CMD_READ, 0, 7, 8192, 512);
            assertEquals(new Answer(-1, 0, 7), Answer.of(client.reply(512)));
        }
    }

    private record Answer(int type, int error, long cookie) {
        static Answer of(Reply reply) {
            return new Answer(reply.type(), reply.error(), reply.cookie());
        }
    }

    @Test
    void commandsBecomeRequestsWithTheirFlags() throws Exception {
        try (NbdTestClient client = client(true)) {
            assertEquals(
                    Nbd.FLAG_HAS_FLAGS
                            | Nbd.FLAG_SEND_FLUSH
                            | Nbd.FLAG_SEND_FUA
                            | Nbd.FLAG_SEND_TRIM
                            | Nbd.FLAG_SEND_WRITE_ZEROES
                            | Nbd.FLAG_SEND_DF
                            | Nbd.FLAG_CAN_MULTI_CONN
                            | Nbd.FLAG_SEND_CACHE
                            | Nbd.FLAG_SEND_FAST_ZERO,
                    client.flags);
            client.request(Nbd.CMD_FLUSH, 0, 1, 0, 0);
            client.requestWrite(Nbd.CMD_FLAG_FUA, 2, 0, new byte[512]);
            client.request(Nbd.CMD_TRIM, Nbd.CMD_FLAG_FUA, 3, 4096, 8192);
            client.request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FUA, 4, 512, 512);
            client.request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FAST_ZERO, 5, 0, 64 << 20);
            client.request(Nbd.CMD_CACHE, 0, 6, 0, 1024);
            client.request(Nbd.CMD_READ, Nbd.CMD_FLAG_DF | Nbd.CMD_FLAG_FUA, 7, 0, 512);
            for (int i = 0; i < 7; i++) {
                assertEquals(0, client.reply().error());
            }
            assertEquals(
                    List.of(
                            "FLUSH 0 0 0",
                            "WRITE 0 512 " + Request.FUA,
                            "DISCARD 4096 8192 " + Request.FUA,
                            "WRITE_ZEROES 512 512 " + (Request.FUA | Request.NO_UNMAP),
                            "WRITE_ZEROES 0 67108864 " + Request.FAST_ONLY,
                            "MAP 0 1024 0",
                            "READ 0 512 0"),
                    disk.seen.stream().map(Object::toString).toList());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatCannotBeDoneIsAnswered(boolean structured) throws Exception {
        try (NbdTestClient client = client(structured)) {
            int read = structured ? Nbd.REPLY_TYPE_ERROR : -1;
            expect(client, new Answer(read, Nbd.EINVAL, 1), Nbd.CMD_READ, 0, 1, SIZE, 1);
            expect(client, new Answer(read, Nbd.EINVAL, 2), Nbd.CMD_READ, 0, 2, -1L, 512);
            expect(client, new Answer(read, Nbd.EINVAL, 3), Nbd.CMD_READ, 0, 3, Long.MAX_VALUE, 512);
            expect(
                    client,
                    new Answer(read, structured ? Nbd.EOVERFLOW : Nbd.EINVAL, 4),
                    Nbd.CMD_READ,
                    0,
                    4,
                    0,
                    Nbd.MAX_PAYLOAD + 1);
            expect(client, new Answer(-1, Nbd.EINVAL, 5), Nbd.CMD_TRIM, 0, 5, SIZE - 512, 1024);
            expect(client, new Answer(-1, Nbd.ENOSPC, 6), Nbd.CMD_WRITE_ZEROES, 0, 6, 512, -1);
            expect(client, new Answer(-1, Nbd.EINVAL, 7), 99, 0, 7, 0, 512);
            expect(client, new Answer(-1, Nbd.EINVAL, 8), 8, 0, 8, 0, 512);
            expect(client, new Answer(read, Nbd.EINVAL, 9), Nbd.CMD_READ, Nbd.CMD_FLAG_NO_HOLE, 9, 0, 512);
            expect(client, new Answer(-1, Nbd.EINVAL, 10), Nbd.CMD_CACHE, 0x8000, 10, 0, 512);
            expect(client, new Answer(-1, Nbd.EINVAL, 11), Nbd.CMD_FLUSH, 0, 11, 0, 512);
            expect(client, new Answer(read, Nbd.EINVAL, 12), Nbd.CMD_BLOCK_STATUS, 0, 12, 0, 0);
            if (!structured) {
                expect(client, new Answer(-1, Nbd.EINVAL, 13), Nbd.CMD_BLOCK_STATUS, 0, 13, 0, 512);
                expect(client, new Answer(-1, Nbd.EINVAL, 14), Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 14, 0, 512);
            }
            expect(
                    client,
                    new Answer(-1, Nbd.ENOTSUP, 15),
                    Nbd.CMD_WRITE_ZEROES,
                    Nbd.CMD_FLAG_FAST_ZERO | Nbd.CMD_FLAG_NO_HOLE,
                    15,
                    0,
                    512);
            // payloads of refused writes are taken, whatever their length
            for (int length : new int[] {1, 5000, 1 << 20}) {
                client.requestWrite(0, 20, SIZE - length + 1, noise(length, 1));
                assertEquals(new Answer(-1, Nbd.ENOSPC, 20), Answer.of(client.reply()));
            }
            client.requestWrite(0x4000, 21, 0, noise(70_000, 1));
            assertEquals(new Answer(-1, Nbd.EINVAL, 21), Answer.of(client.reply()));
            expect(client, new Answer(-1, 0, 22), Nbd.CMD_FLUSH, 0, 22, 0, 0);
        }
    }

    private static void expect(
            NbdTestClient client, Answer answer, int command, int flags, long cookie, long offset, int length)
            throws IOException {
        client.request(command, flags, cookie, offset, length);
        assertEquals(answer, Answer.of(client.reply()));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void nothingToDoSucceeds(boolean structured) throws Exception {
        try (NbdTestClient client = client(structured)) {
            expect(client, new Answer(structured ? Nbd.REPLY_TYPE_NONE : -1, 0, 1), Nbd.CMD_READ, 0, 1, SIZE, 0);
            expect(client, new Answer(-1, 0, 2), Nbd.CMD_WRITE, 0, 2, 0, 0);
            expect(client, new Answer(-1, 0, 3), Nbd.CMD_TRIM, 0, 3, 0, 0);
            expect(client, new Answer(-1, 0, 4), Nbd.CMD_WRITE_ZEROES, 0, 4, 0, 0);
            expect(client, new Answer(-1, 0, 5), Nbd.CMD_CACHE, 0, 5, 0, 0);
            assertEquals(List.of(), disk.seen);
        }
    }

    @Test
    void errorsOfTheDiskAreThoseOfTheProtocol() throws Exception {
        try (NbdTestClient client = client(true)) {
            Map<Integer, Integer> errors = Map.of(
                    Errno.EIO,
                    Nbd.EIO,
                    Errno.ENOSPC,
                    Nbd.ENOSPC,
                    Errno.EROFS,
                    Nbd.EPERM,
                    Errno.ENOMEM,
                    Nbd.ENOMEM,
                    Errno.EBUSY,
                    Nbd.EIO,
                    Errno.ESHUTDOWN,
                    Nbd.ESHUTDOWN,
                    Errno.EOPNOTSUPP,
                    Nbd.EINVAL);
            for (Map.Entry<Integer, Integer> error : errors.entrySet()) {
                disk.fails = request -> error.getKey();
                expect(client, new Answer(Nbd.REPLY_TYPE_ERROR, error.getValue(), 1), Nbd.CMD_READ, 0, 1, 0, 512);
                expect(client, new Answer(-1, error.getValue(), 2), Nbd.CMD_FLUSH, 0, 2, 0, 0);
                expect(
                        client,
                        new Answer(Nbd.REPLY_TYPE_ERROR, error.getValue(), 3),
                        Nbd.CMD_BLOCK_STATUS,
                        0,
                        3,
                        0,
                        512);
            }
        }
    }

    @Test
    void aReadOnlyDiskIsNotWritten() throws Exception {
        disk.info = DiskInfo.ofSize(SIZE)
                .with(Operation.DISCARD, Operation.WRITE_ZEROES)
                .withReadOnly(true);
        try (NbdTestClient client = client(true)) {
            client.requestWrite(0, 1, 0, noise(512, 1));
            assertEquals(new Answer(-1, Nbd.EPERM, 1), Answer.of(client.reply()));
            expect(client, new Answer(-1, Nbd.EPERM, 2), Nbd.CMD_TRIM, 0, 2, 0, 512);
            expect(client, new Answer(-1, Nbd.EPERM, 3), Nbd.CMD_WRITE_ZEROES, 0, 3, 0, 512);
            assertEquals(List.of(), disk.seen);
        }
    }

    @Test
    void aTrimThatTheDiskCannotDoIsAHint() throws Exception {
        disk.info = DiskInfo.ofSize(SIZE);
        try (NbdTestClient client = client(false)) {
            expect(client, new Answer(-1, 0, 1), Nbd.CMD_TRIM, 0, 1, 0, 512);
            assertEquals(List.of(), disk.seen);
        }
    }

    @Test
    void allocationIsToldInDescriptors() throws Exception {
        disk.runBytes = 64 << 10;
        try (NbdTestClient client = client(true)) {
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 32 << 10, 128 << 10);
            Reply reply = client.reply();
            assertEquals(Nbd.REPLY_TYPE_BLOCK_STATUS, reply.type());
            ByteBuffer told = ByteBuffer.wrap(reply.data());
            for (int[] run : new int[][] {
                {32 << 10, ExtentList.DATA}, {64 << 10, ExtentList.HOLE | ExtentList.ZERO}, {32 << 10, ExtentList.DATA}
            }) {
                assertEquals(run[0], told.getInt());
                assertEquals(run[1], told.getInt());
            }
            assertFalse(told.hasRemaining());
            client.request(Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLAG_REQ_ONE, 2, 0, 128 << 10);
            assertArrayEquals(
                    ByteBuffer.allocate(8).putInt(64 << 10).putInt(0).array(),
                    client.reply().data());
            disk.runBytes = 512;
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 3, 0, SIZE);
            int answer = client.reply().data().length;
            assertTrue(answer > 65_000 && answer <= 64 << 10, "the answer is bounded: " + answer);
        }
    }

    @Test
    void manyRequestsAreInFlightAtOnce() throws Exception {
        disk.hold = true;
        try (NbdTestClient client = client(false)) {
            for (int i = 0; i < 100; i++) {
                client.request(Nbd.CMD_READ, 0, i, i * 4096L, 4096);
            }
            Eventually.holds("all are at the disk", () -> disk.pending() == 100);
            daemon.release(disk);
            boolean[] answered = new boolean[100];
            for (int i = 0; i < 100; i++) {
                Reply reply = client.reply(4096);
                assertFalse(answered[(int) reply.cookie()]);
                answered[(int) reply.cookie()] = true;
            }
        }
    }

    @Test
    void requestsAndBytesOfAClientAreBounded() throws Exception {
        disk.hold = true;
        try (NbdTestClient client = client(false);
                NbdTestClient other = client(false)) {
            // in one piece: what the server does not take must fit into the socket
            ByteBuffer thousand = ByteBuffer.allocate(1000 * Nbd.REQUEST_BYTES);
            for (int i = 0; i < 1000; i++) {
                thousand.put(NbdTestClient.header(Nbd.CMD_READ, 0, i, 0, 512).flip());
            }
            client.write(thousand);
            for (int i = 0; i < 5; i++) {
                other.request(Nbd.CMD_READ, 0, i, 0, 32 << 20);
            }
            Eventually.holds(
                    "as many as are allowed are at the disk", () -> disk.pending() == Commands.MAX_REQUESTS + 2);
            daemon.release(disk);
            for (int i = 0; i < 1000; i++) {
                assertEquals(0, client.reply(512).error());
            }
            for (int i = 0; i < 5; i++) {
                assertEquals(0, other.reply(32 << 20).error());
            }
            assertTrue(disk.mostPending() <= 2 * Commands.MAX_REQUESTS, "at most " + disk.mostPending() + " in flight");
        }
    }

    /** Random commands in pipelines against a model; the seed is in the message of a failure. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aPipelineOfAnythingMatchesTheModel(boolean structured) throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        int slot = 1 << 19;
        byte[] model = new byte[SIZE];
        try (NbdTestClient client = client(structured)) {
            for (int round = 0; round < 60; round++) {
                // each request of a round has its own slot, so that their order does not matter
                Map<Long, byte[]> expected = new HashMap<>();
                int requests = 1 + random.nextInt(20);
                AtomicReference<IOException> failure = new AtomicReference<>();
                ByteBuffer pipeline = ByteBuffer.allocate(requests * (slot + Nbd.REQUEST_BYTES));
                for (int i = 0; i < requests; i++) {
                    int length = 1 + random.nextInt(random.nextInt(4) == 0 ? slot : 6000);
                    long offset = (long) i * slot + random.nextInt(slot - length + 1);
                    long cookie = random.nextLong() << 8 | i;
                    switch (random.nextInt(4)) {
                        case 0, 1 -> {
                            byte[] data = noise(length, cookie);
                            pipeline.put(NbdTestClient.header(Nbd.CMD_WRITE, 0, cookie, offset, length)
                                            .flip())
                                    .put(data);
                            System.arraycopy(data, 0, model, (int) offset, length);
                            expected.put(cookie, new byte[0]);
                        }
                        case 2 -> {
                            pipeline.put(NbdTestClient.header(Nbd.CMD_READ, 0, cookie, offset, length)
                                    .flip());
                            expected.put(cookie, Arrays.copyOfRange(model, (int) offset, (int) offset + length));
                        }
                        default -> {
                            pipeline.put(NbdTestClient.header(Nbd.CMD_WRITE_ZEROES, 0, cookie, offset, length)
                                    .flip());
                            Arrays.fill(model, (int) offset, (int) offset + length, (byte) 0);
                            expected.put(cookie, new byte[0]);
                        }
                    }
                }
                Thread writer = new Thread(() -> {
                    try {
                        client.write(pipeline);
                    } catch (IOException e) {
                        failure.set(e);
                    }
                });
                writer.setName("nbd-writer");
                writer.start();
                while (!expected.isEmpty()) {
                    ByteBuffer head = client.read(16);
                    int data = 0;
                    long cookie = head.getLong(8);
                    byte[] want = expected.remove(cookie);
                    assertTrue(want != null, "a reply that nobody waits for, seed " + seed);
                    if (head.getInt() == Nbd.SIMPLE_REPLY_MAGIC) {
                        assertEquals(0, head.getInt(), "seed " + seed);
                        data = want.length;
                    } else {
                        assertEquals(Nbd.REPLY_TYPE_OFFSET_DATA, head.getShort(6));
                        data = client.read(12).getInt() - 8;
                    }
                    assertArrayEquals(want, client.read(data).array(), "seed " + seed);
                }
                writer.join();
                assertEquals(null, failure.get());
            }
        }
        assertArrayEquals(model, stored(0, SIZE), "seed " + seed);
    }

    @Test
    void aSlowReaderGetsAllInTheEnd() throws Exception {
        byte[] data = noise(8 << 20, 3);
        try (NbdTestClient client = client(true)) {
            client.requestWrite(0, 0, 0, data);
            client.reply();
            for (int i = 0; i < 200; i++) {
                client.request(Nbd.CMD_READ, 0, i, (i % 8) << 20, 1 << 20);
            }
            Eventually.holds("some are at the disk", () -> disk.seen.size() > 10);
            for (int i = 0; i < 200; i++) {
                Reply reply = client.reply();
                assertArrayEquals(
                        Arrays.copyOfRange(data, (int) reply.offset(), (int) reply.offset() + (1 << 20)), reply.data());
            }
        }
    }

    @Test
    void aClosedPortLeavesRequestsInTheSocket() throws Exception {
        // both may be at the disk in one turn: they are answered in their order
        disk.shuffle = null;
        try (NbdTestClient client = client(false)) {
            client.request(Nbd.CMD_FLUSH, 0, 1, 0, 0);
            client.reply();
            daemon.loop("disk").call(() -> {
                disk.open = false;
                return null;
            });
            client.request(Nbd.CMD_READ, 0, 2, 0, 512);
            client.requestWrite(0, 3, 0, noise(100_000, 5));
            // the loop has looked and looked away
            for (int i = 0; i < 20; i++) {
                daemon.loop("disk").call(() -> null);
                Thread.sleep(5);
            }
            assertEquals(1, disk.seen.size());
            daemon.loop("disk").call(() -> {
                disk.open = true;
                daemon.node("disk").resumed();
                return null;
            });
            assertEquals(2, client.reply(512).cookie());
            assertEquals(new Answer(-1, 0, 3), Answer.of(client.reply()));
            assertArrayEquals(noise(100_000, 5), stored(0, 100_000));
        }
    }

    @Test
    void disconnectAnswersWhatIsInFlight() throws Exception {
        disk.hold = true;
        try (NbdTestClient client = client(false)) {
            client.request(Nbd.CMD_READ, 0, 1, 0, 512);
            client.request(Nbd.CMD_DISC, 0, 0, 0, 0);
            Eventually.holds("it is at the disk", () -> disk.pending() == 1);
            daemon.release(disk);
            assertEquals(1, client.reply(512).cookie());
            assertTrue(client.closedByServer());
        }
        daemon.expectNoClients();
    }

    @Test
    void aHalfClosedClientGetsItsAnswers() throws Exception {
        try (NbdTestClient client = client(false)) {
            client.request(Nbd.CMD_READ, 0, 1, 0, 512);
            client.channel.shutdownOutput();
            assertEquals(1, client.reply(512).cookie());
            assertTrue(client.closedByServer());
        }
    }

    @Test
    void aClientThatBreaksTheProtocolIsCutOff() throws Exception {
        try (NbdTestClient client = client(true)) {
            client.write(
                    ByteBuffer.allocate(Nbd.REQUEST_BYTES).putInt(0x12345678).position(Nbd.REQUEST_BYTES));
            assertTrue(client.closedByServer());
        }
        try (NbdTestClient client = client(true)) {
            client.request(Nbd.CMD_WRITE, 0, 1, 0, Nbd.MAX_PAYLOAD + 1);
            assertTrue(client.closedByServer());
        }
        daemon.expectNoClients();
        try (NbdTestClient client = client(true)) {
            expect(client, new Answer(-1, 0, 1), Nbd.CMD_FLUSH, 0, 1, 0, 0);
        }
    }

    @Test
    void clientsThatVanishLeaveNothing() throws Exception {
        Random random = new Random(11);
        long before = ProcessResources.sockets();
        for (int i = 0; i < 60; i++) {
            disk.hold = i % 3 == 0;
            try (NbdTestClient client = client(i % 2 == 0)) {
                for (int n = random.nextInt(40); n > 0; n--) {
                    client.request(Nbd.CMD_READ, 0, n, 0, 1 + random.nextInt(200_000));
                }
                // a write that never gets its payload
                client.request(Nbd.CMD_WRITE, 0, 99, 0, 1 << 20);
                client.write(ByteBuffer.allocate(random.nextInt(300_000)).position(0));
            }
            if (disk.hold) {
                daemon.release(disk);
            }
        }
        daemon.expectNoClients();
        Eventually.holds("nothing is at the disk", () -> disk.pending() == 0);
        Eventually.holds(() -> "as many sockets as before, " + before, () -> ProcessResources.sockets() == before);
        assertEquals(0, daemon.status("disk").get("clients"));
    }

    @Test
    void aNewSizeHoldsAtOnce() throws Exception {
        try (NbdTestClient client = client(false)) {
            disk.info = DiskInfo.ofSize(4096);
            daemon.loop("disk").call(() -> {
                daemon.node("disk").resized();
                return null;
            });
            expect(client, new Answer(-1, Nbd.EINVAL, 1), Nbd.CMD_READ, 0, 1, 4096, 512);
        }
        try (NbdTestClient client = client(false)) {
            assertEquals(4096, client.size);
            assertEquals(0, client.flags & Nbd.FLAG_SEND_TRIM);
        }
    }

    @Test
    void randomBytesInTransmissionHarmNobody() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int i = 0; i < 200; i++) {
            // what a client that has gone leaves behind takes a while
            Eventually.holds(
                    "there is room for a client",
                    () -> daemon.provider.server(daemon.socket()).clients() < 32);
            try (NbdTestClient client = client(random.nextBoolean())) {
                ByteBuffer bytes = ByteBuffer.allocate(4000);
                for (int n = random.nextInt(30); n > 0; n--) {
                    ByteBuffer header = NbdTestClient.header(
                            random.nextInt(10),
                            random.nextInt(4) == 0 ? random.nextInt() : 0,
                            n,
                            random.nextInt(3) == 0 ? random.nextLong() : random.nextInt(SIZE),
                            random.nextInt(1 << 1 + random.nextInt(30)));
                    if (random.nextInt(20) == 0) {
                        header.array()[random.nextInt(28)] ^= (byte) (1 << random.nextInt(8));
                    }
                    bytes.put(header.flip());
                }
                client.write(bytes);
            } catch (IOException e) {
                // cut off: as it should be
                assertNotEquals("", String.valueOf(e.getMessage()));
            }
        }
        daemon.expectNoClients();
        try (NbdTestClient client = client(true)) {
            expect(client, new Answer(-1, 0, 1), Nbd.CMD_FLUSH, 0, 1, 0, 0);
        }
    }
}
