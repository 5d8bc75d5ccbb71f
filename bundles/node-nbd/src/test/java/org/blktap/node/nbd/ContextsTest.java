package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.node.nbd.NbdTestClient.Run;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** BLOCK_STATUS of several contexts, of a disk with dirty bitmaps and a chain. */
@Timeout(60)
class ContextsTest {
    private static final int SIZE = 1 << 20;
    private static final String[] ALL = {
        Nbd.BASE_ALLOCATION, Nbd.QEMU_ALLOCATION_DEPTH, "qemu:dirty-bitmap:a", "qemu:dirty-bitmap:b"
    };

    @TempDir
    Path directory;

    private NbdTestDaemon daemon;
    private MemoryPort disk;

    @BeforeEach
    void start() throws Exception {
        daemon = new NbdTestDaemon(directory);
        disk = daemon.attach("disk", SIZE, Map.of());
        disk.maps = ContextsTest::map;
        contexts("a", "b");
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    /** 64 KiB each: own data, data of the backing image, of the one below, nowhere; bitmap 1 has the first of them. */
    private static void map(Request request) {
        long at = request.offset();
        long end = at + request.length();
        while (at < end) {
            long bytes = Math.min(end, (at >> 16) + 1 << 16) - at;
            int block = (int) (at >> 16) % 4;
            switch (request.context()) {
                case 0 ->
                    request.extents().add(bytes, block == 3 ? ExtentList.HOLE | ExtentList.ZERO : 0, (block + 1) % 4);
                case 1 -> request.extents().add(bytes, block == 0 ? 1 : 0);
                default -> request.extents().add(bytes, 1);
            }
            at += bytes;
        }
    }

    private void contexts(String... bitmaps) throws Exception {
        disk.info = DiskInfo.ofSize(SIZE);
        for (String bitmap : bitmaps) {
            disk.info = disk.info.withContext("dirty-bitmap:" + bitmap);
        }
        daemon.loop("disk").call(() -> {
            daemon.node("disk").resumed();
            return null;
        });
    }

    private NbdTestClient client(Framing framing, String... contexts) throws IOException {
        return new NbdTestClient(daemon.socket()).enter("disk", framing, contexts);
    }

    @ParameterizedTest
    @EnumSource(names = {"STRUCTURED", "EXTENDED"})
    void eachContextIsAnsweredInOneChunk(Framing framing) throws Exception {
        try (NbdTestClient client = client(framing, ALL)) {
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 32 << 10, 256 << 10);
            assertEquals(
                    Map.of(
                            1,
                            List.of(new Run(160 << 10, 0), new Run(64 << 10, 3), new Run(32 << 10, 0)),
                            2,
                            List.of(
                                    new Run(32 << 10, 1),
                                    new Run(64 << 10, 2),
                                    new Run(64 << 10, 3),
                                    new Run(64 << 10, 0),
                                    new Run(32 << 10, 1)),
                            3,
                            List.of(new Run(32 << 10, 1), new Run(192 << 10, 0), new Run(32 << 10, 1)),
                            4,
                            List.of(new Run(256 << 10, 1))),
                    client.blockStatus());
            assertEquals(
                    List.of("MAP 32768 262144 0", "MAP 32768 262144 0", "MAP 32768 262144 0"),
                    disk.seen.stream().map(Object::toString).toList(),
                    "allocation and depth need one MAP");
            client.request(Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLAG_REQ_ONE, 2, 0, 512 << 10);
            assertEquals(
                    Map.of(
                            1, List.of(new Run(192 << 10, 0)),
                            2, List.of(new Run(64 << 10, 1)),
                            3, List.of(new Run(64 << 10, 1)),
                            4, List.of(new Run(512 << 10, 1))),
                    client.blockStatus());
        }
    }

    @Test
    void theAnswerOfAllContextsIsBounded() throws Exception {
        disk.maps = request -> {
            for (long at = 0; at < request.length(); at += 512) {
                request.extents().add(512, at / 512 % 2 == 0 ? 0 : 1);
            }
        };
        try (NbdTestClient client = client(Framing.EXTENDED, ALL)) {
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, SIZE);
            Map<Integer, List<Run>> contexts = client.blockStatus();
            assertEquals(4, contexts.size());
            int runs = contexts.values().stream().mapToInt(List::size).sum();
            assertTrue(runs > 3000 && runs * 16 < 64 << 10, runs + " runs");
        }
    }

    @Test
    void aBitmapThatIsGoneIsAnError() throws Exception {
        try (NbdTestClient client = client(Framing.STRUCTURED, ALL);
                NbdTestClient other = client(Framing.STRUCTURED, "qemu:dirty-bitmap:b")) {
            contexts("b");
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 4096);
            assertEquals(Map.of(-1, List.of(new Run(0, Nbd.EINVAL))), client.blockStatus());
            client.request(Nbd.CMD_READ, 0, 2, 0, 4096);
            assertEquals(0, client.reply().error());
            // the other one has another place now, and the same id
            disk.maps = request -> request.extents().add(request.length(), request.context() == 1 ? 1 : 9);
            other.request(Nbd.CMD_BLOCK_STATUS, 0, 3, 0, 4096);
            assertEquals(Map.of(4, List.of(new Run(4096, 1))), other.blockStatus());
            contexts("a", "b");
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 4, 0, 4096);
            assertEquals(4, client.blockStatus().size());
        }
    }

    @Test
    void aBitmapMayGoBetweenTwoQuestions() throws Exception {
        disk.hold = true;
        try (NbdTestClient client = client(Framing.EXTENDED, ALL)) {
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 4096);
            Eventually.holds("the first question is at the disk", () -> disk.pending() == 1);
            contexts("a");
            daemon.release(disk);
            assertEquals(Map.of(-1, List.of(new Run(0, Nbd.EINVAL))), client.blockStatus());
        }
        daemon.expectNoClients();
    }

    @Test
    void anAnswerWaitsForAPortThatIsClosed() throws Exception {
        disk.hold = true;
        try (NbdTestClient client = client(Framing.STRUCTURED, ALL)) {
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 4096);
            Eventually.holds("the first question is at the disk", () -> disk.pending() == 1);
            daemon.loop("disk").call(() -> disk.open = false);
            daemon.release(disk);
            Eventually.holds("the disk has nothing", () -> disk.pending() == 0);
            assertEquals(1, disk.seen.size());
            daemon.loop("disk").call(() -> {
                disk.open = true;
                daemon.node("disk").resumed();
                return null;
            });
            assertEquals(4, client.blockStatus().size());
        }
    }

    @Test
    void anUnansweredClientIsEndedWithTheNode() throws Exception {
        disk.hold = true;
        try (NbdTestClient client = client(Framing.STRUCTURED, ALL)) {
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 4096);
            Eventually.holds("the first question is at the disk", () -> disk.pending() == 1);
            daemon.loop("disk").call(() -> disk.open = false);
            daemon.release(disk);
            Eventually.holds("the disk has nothing", () -> disk.pending() == 0);
            PayloadBuffers buffers = ((NbdNode) daemon.node("disk")).buffers();
            daemon.detach("disk");
            assertTrue(client.closedByServer());
            assertEquals(0, buffers.mapped(), "bytes of buffers that nobody gave back");
        }
        daemon.attach("disk", SIZE, Map.of());
    }

    @Test
    void aDiskThatAnswersNothingIsAnError() throws Exception {
        disk.maps = request -> {};
        try (NbdTestClient client = client(Framing.EXTENDED, ALL)) {
            client.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 4096);
            assertEquals(Map.of(-1, List.of(new Run(0, Nbd.EIO))), client.blockStatus());
        }
    }
}
