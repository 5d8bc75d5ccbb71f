package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.node.nbd.NbdTestClient.Reply;
import org.blktap.node.nbd.NbdTestClient.Run;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A client that has agreed to extended headers, on a disk of 1 TiB of which the first part is in memory. */
@Timeout(60)
class ExtendedHeadersTest {
    private static final int CONTENT = 40 << 20;
    private static final long SIZE = 1L << 40;
    private static final long GIB = 1L << 30;

    @TempDir
    Path directory;

    private NbdTestDaemon daemon;
    private MemoryPort disk;

    @BeforeEach
    void start() throws Exception {
        daemon = new NbdTestDaemon(directory);
        disk = daemon.attach("disk", CONTENT, Map.of());
        disk.info = DiskInfo.ofSize(SIZE).with(Operation.DISCARD, Operation.WRITE_ZEROES);
        daemon.loop("disk").call(() -> {
            daemon.node("disk").resized();
            return null;
        });
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    private NbdTestClient client() throws IOException {
        return new NbdTestClient(daemon.socket()).enter("disk", Framing.EXTENDED, Nbd.BASE_ALLOCATION);
    }

    private static void expect(NbdTestClient client, int type, int error, int command, int flags, long at, long length)
            throws IOException {
        client.request(command, flags, 77, at, length);
        Reply reply = client.reply();
        assertEquals(List.of(type, error, 77L), List.of(reply.type(), reply.error(), reply.cookie()));
        assertEquals(at, client.repliedOffset);
    }

    @Test
    void everyReplyIsExtended() throws Exception {
        try (NbdTestClient client = client()) {
            assertEquals(SIZE, client.size);
            byte[] data = new byte[300_000];
            new Random(1).nextBytes(data);
            client.requestWrite(Nbd.CMD_FLAG_FUA, 1, 512, data);
            Reply written = client.reply();
            assertEquals(
                    List.of(Nbd.REPLY_TYPE_NONE, 0, 1L), List.of(written.type(), written.error(), written.cookie()));
            assertEquals(512, client.repliedOffset);
            client.request(Nbd.CMD_READ, 0, 2, 512, data.length);
            Reply read = client.reply();
            assertEquals(Nbd.REPLY_TYPE_OFFSET_DATA, read.type());
            assertEquals(512, read.offset());
            assertArrayEquals(data, read.data());
            // QEMU does not announce the payload of a write
            client.write(ByteBuffer.allocate(32 + 512)
                    .put(NbdTestClient.extended(Nbd.CMD_WRITE, 0, 3, 0, 512).flip())
                    .put(new byte[512]));
            assertEquals(0, client.reply().error());
            disk.zerosFrom = 1 << 20;
            expect(client, Nbd.REPLY_TYPE_OFFSET_HOLE, 0, Nbd.CMD_READ, 0, 1 << 20, 4096);
            expect(client, Nbd.REPLY_TYPE_NONE, 0, Nbd.CMD_READ, 0, 4096, 0);
            expect(client, Nbd.REPLY_TYPE_NONE, 0, Nbd.CMD_FLUSH, 0, 0, 0);
            expect(client, Nbd.REPLY_TYPE_NONE, 0, Nbd.CMD_CACHE, 0, 0, SIZE);
            expect(client, Nbd.REPLY_TYPE_ERROR, Nbd.EINVAL, 99, 0, 0, 512);
        }
    }

    @Test
    void longRangesGoToTheDiskInPieces() throws Exception {
        disk.shuffle = null;
        try (NbdTestClient client = client()) {
            expect(client, Nbd.REPLY_TYPE_NONE, 0, Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FUA, 4096, 3 * GIB);
            expect(client, Nbd.REPLY_TYPE_NONE, 0, Nbd.CMD_TRIM, 0, SIZE - 2 * GIB, 2 * GIB);
            assertEquals(
                    List.of(
                            "WRITE_ZEROES 4096 " + (GIB - 4096) + " " + Request.FUA,
                            "WRITE_ZEROES " + GIB + " " + GIB + " " + Request.FUA,
                            "WRITE_ZEROES " + 2 * GIB + " " + GIB + " " + Request.FUA,
                            "WRITE_ZEROES " + 3 * GIB + " 4096 " + Request.FUA,
                            "DISCARD " + (SIZE - 2 * GIB) + " " + GIB + " 0",
                            "DISCARD " + (SIZE - GIB) + " " + GIB + " 0"),
                    disk.seen.stream().map(Object::toString).toList());
            disk.quiet = true;
            expect(client, Nbd.REPLY_TYPE_NONE, 0, Nbd.CMD_WRITE_ZEROES, 0, 0, SIZE);
            // an error ends it
            disk.fails = request -> request.offset() >= 5 * GIB ? Errno.ENOSPC : 0;
            disk.quiet = false;
            disk.seen.clear();
            expect(client, Nbd.REPLY_TYPE_ERROR, Nbd.ENOSPC, Nbd.CMD_WRITE_ZEROES, 0, 0, SIZE);
            assertEquals(6, disk.seen.size());
        }
    }

    @Test
    void othersHaveTheirTurnInALongRange() throws Exception {
        disk.shuffle = null;
        disk.quiet = true;
        try (NbdTestClient client = client();
                NbdTestClient other = NbdTestClient.on(daemon.socket(), "disk", false)) {
            // more pieces than could ever be done
            disk.info = disk.info.withSize(1L << 60);
            for (int i = 0; i < 100; i++) {
                client.request(Nbd.CMD_TRIM, 0, i, 0, 1L << 60);
            }
            for (int i = 0; i < 100; i++) {
                other.request(Nbd.CMD_READ, 0, i, 0, 512);
                assertEquals(i, other.reply(512).cookie());
            }
            client.request(Nbd.CMD_READ, 0, 1234, 0, 512);
            assertEquals(1234, client.reply().cookie(), "the client's own requests, too");
        }
        // the rest is not done for a client that has gone
        daemon.expectNoClients();
    }

    @Test
    void runsAreLongerThanFourGibibytes() throws Exception {
        disk.maps = request -> request.extents().add(request.length(), ExtentList.HOLE | ExtentList.ZERO);
        try (NbdTestClient client = client()) {
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 512, 10 * GIB);
            assertEquals(Map.of(1, List.of(new Run(10 * GIB, 3))), client.blockStatus());
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, SIZE);
            assertEquals(Map.of(1, List.of(new Run(64 * GIB, 3))), client.blockStatus(), "as far as is asked at once");
            disk.maps = request -> request.extents().add(request.length(), request.offset() < 2 * GIB ? 0 : 3);
            client.request(Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLAG_REQ_ONE, 1, 0, SIZE);
            assertEquals(Map.of(1, List.of(new Run(2 * GIB, 0))), client.blockStatus());
        }
    }

    @Test
    void whatCannotBeDoneIsAnswered() throws Exception {
        try (NbdTestClient client = client()) {
            int error = Nbd.REPLY_TYPE_ERROR;
            for (long length : new long[] {SIZE + 1, 1L << 62, -1, Long.MIN_VALUE, -512}) {
                expect(client, error, Nbd.ENOSPC, Nbd.CMD_WRITE_ZEROES, 0, 0, length);
                expect(client, error, Nbd.EINVAL, Nbd.CMD_TRIM, 0, 4096, length);
                expect(client, error, Nbd.EINVAL, Nbd.CMD_BLOCK_STATUS, 0, 0, length);
                expect(client, error, Nbd.EINVAL, Nbd.CMD_CACHE, 0, 0, length);
                expect(client, error, Nbd.EINVAL, Nbd.CMD_READ, 0, 0, length);
            }
            expect(client, error, Nbd.EOVERFLOW, Nbd.CMD_READ, 0, 0, SIZE);
            expect(client, error, Nbd.EINVAL, Nbd.CMD_BLOCK_STATUS, 0, -512, 512);
            // payloads that no command has are taken, and refused
            for (int command : new int[] {Nbd.CMD_READ, Nbd.CMD_TRIM, Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLUSH, 99}) {
                for (int length : new int[] {0, 1, 20, 300_000}) {
                    client.write(ByteBuffer.allocate(32 + length)
                            .put(NbdTestClient.extended(command, Nbd.CMD_FLAG_PAYLOAD_LEN, 5, 0, length)
                                    .flip())
                            .put(new byte[length]));
                    Reply reply = client.reply();
                    assertEquals(List.of(error, Nbd.EINVAL, 5L), List.of(reply.type(), reply.error(), reply.cookie()));
                }
            }
            assertEquals(List.of(), disk.seen);
            expect(client, Nbd.REPLY_TYPE_NONE, 0, Nbd.CMD_FLUSH, 0, 0, 0);
        }
    }

    @Test
    void whatLeavesNoWayToGoOnEndsTheClient() throws Exception {
        for (ByteBuffer header : List.of(
                NbdTestClient.extended(Nbd.CMD_WRITE, Nbd.CMD_FLAG_PAYLOAD_LEN, 1, 0, Nbd.MAX_PAYLOAD + 1),
                NbdTestClient.extended(Nbd.CMD_WRITE, Nbd.CMD_FLAG_PAYLOAD_LEN, 1, 0, -1),
                NbdTestClient.extended(Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLAG_PAYLOAD_LEN, 1, 0, 1L << 40),
                // a compact request
                ByteBuffer.allocate(32)
                        .put(NbdTestClient.header(Nbd.CMD_FLUSH, 0, 1, 0, 0).flip())
                        .putInt(0))) {
            try (NbdTestClient client = client()) {
                client.write(header);
                assertTrue(client.closedByServer());
            }
        }
        daemon.expectNoClients();
    }
}
