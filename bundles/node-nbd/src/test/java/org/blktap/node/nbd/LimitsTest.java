package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.nbd.Nbd;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Clients that take all they can get: they are bounded, and others are served. */
@Timeout(120)
class LimitsTest {
    private static final int SIZE = 40 << 20;
    private static final int MIB = 1 << 20;
    /** Small ones, so that a test reaches them: 4 clients of an export on a socket, 8 handshakes, 96 MiB of which 48 are reserved. */
    private static final Limits SMALL = new Limits(4, 1, 5, 8, 3_000, 96L * MIB, 48L * MIB, 48L * MIB, 60_000);

    @TempDir
    Path directory;
    private TestDaemon daemon;
    private final List<TestClient> clients = new ArrayList<>();

    private void start(Limits limits) {
        daemon = new TestDaemon(directory, limits);
    }

    @AfterEach
    void stop() throws Exception {
        for (TestClient client : clients) {
            client.close();
        }
        daemon.expectNoClients();
        daemon.close();
    }

    private TestClient keep(TestClient client) {
        clients.add(client);
        return client;
    }

    private int port(String id) {
        return Integer.parseInt(daemon.node(id).address().replaceAll(".*127.0.0.1:(\\d+)/.*", "$1"));
    }

    private static void expectServed(TestClient client) throws Exception {
        client.request(Nbd.CMD_READ, 0, 77, 0, 4096);
        assertEquals(77, client.reply(4096).cookie());
    }

    @Test
    void idleHandshakesLockNobodyOut() throws Exception {
        start(SMALL);
        daemon.attach("a", SIZE, Map.of("tcp", "0"));
        for (int i = 0; i < 30; i++) {
            keep(new TestClient(port("a")));
        }
        // the other socket does not notice, and here the idle ones make way
        expectServed(keep(TestClient.on(daemon.socket(), "a", true)));
        expectServed(keep(new TestClient(port("a")).enter("a", true)));
    }

    @Test
    void aHandshakeByteByByteEndsInTime() throws Exception {
        start(new Limits(4, 1, 5, 8, 300, 96L * MIB, 48L * MIB, 0, 60_000));
        daemon.attach("a", SIZE, Map.of());
        TestClient slow = keep(new TestClient(daemon.socket()));
        byte[] bytes = new byte[1000];
        System.arraycopy(ByteBuffer.allocate(4).putInt(1).array(), 0, bytes, 0, 4);
        try {
            for (byte each : bytes) {
                slow.write(ByteBuffer.allocate(1).put(each));
                Thread.sleep(10);
            }
            throw new AssertionError("a handshake of " + bytes.length + " bytes, one in 10 ms, was not cut off");
        } catch (java.io.IOException e) {
            // as it should be
        }
    }

    @Test
    void theClientsOfOneExportOnOneSocketTakeNoPlacesOfOthers() throws Exception {
        start(SMALL);
        daemon.attach("a", SIZE, Map.of("tcp", "0"));
        int port = port("a");
        daemon.attach("b", SIZE, Map.of("tcp", Integer.toString(port)));
        for (int i = 0; i < SMALL.clients(); i++) {
            expectServed(keep(new TestClient(port).enter("a", false)));
        }
        TestClient late = keep(new TestClient(port));
        late.greet();
        late.option(Nbd.OPT_GO, TestClient.go("a"));
        assertEquals(Nbd.REP_ERR_POLICY, late.optionReply().type());
        late.option(Nbd.OPT_EXPORT_NAME, "a".getBytes());
        assertTrue(late.closedByServer());
        expectServed(keep(TestClient.on(daemon.socket(), "a", true)));
        expectServed(keep(new TestClient(port).enter("b", true)));
        // the common places are gone with these; the reserve is not
        expectServed(keep(new TestClient(port).enter("b", true)));
        expectServed(keep(new TestClient(port).enter("b", true)));
        expectServed(keep(TestClient.on(daemon.socket(), "b", true)));
        TestClient beyond = keep(new TestClient(daemon.socket()));
        beyond.greet();
        beyond.option(Nbd.OPT_GO, TestClient.go("b"));
        assertEquals(Nbd.REP_ERR_POLICY, beyond.optionReply().type());
        // a place that is given back is there again
        clients.get(0).close();
        Eventually.holds(() -> {
            TestClient next = keep(new TestClient(daemon.socket()));
            next.greet();
            next.option(Nbd.OPT_GO, TestClient.go("b"));
            return next.optionReply().type() != Nbd.REP_ERR_POLICY;
        });
    }

    /** Asks for more than it may have, in one piece, and takes no replies. */
    private TestClient neverReads(TestClient client, int length, int count) throws Exception {
        ByteBuffer requests = ByteBuffer.allocate(count * Nbd.REQUEST_BYTES);
        for (int i = 0; i < count; i++) {
            requests.put(TestClient.header(Nbd.CMD_READ, 0, i, 0, length).flip());
        }
        client.write(requests);
        return keep(client);
    }

    @Test
    void clientsThatDoNotReadAreBoundedInAll() throws Exception {
        start(new Limits(40, 40, 0, 8, 3_000, 96L * MIB, 48L * MIB, 48L * MIB, 60_000));
        daemon.attach("a", SIZE, Map.of("tcp", "0"));
        daemon.attach("b", SIZE, Map.of());
        for (int i = 0; i < 60; i++) {
            int length = new int[] {4096, 64 << 10, MIB, 32 * MIB}[i % 4];
            neverReads(i % 2 == 0 ? new TestClient(port("a")).enter("a", true) : TestClient.on(daemon.socket(), "a", true), length, 200);
        }
        // another client of the same export, and one of another, which gets its largest request from the reserve
        TestClient small = keep(TestClient.on(daemon.socket(), "a", true));
        for (int i = 0; i < 100; i++) {
            small.request(Nbd.CMD_READ, 0, i, 0, 4096 << i % 5);
            assertEquals(i, small.reply(4096 << i % 5).cookie());
        }
        TestClient other = keep(TestClient.on(daemon.socket(), "b", false));
        other.request(Nbd.CMD_READ, 0, 5, 0, 32 * MIB);
        assertEquals(5, other.reply(32 * MIB).cookie());
        long mapped = ((NbdNode) daemon.node("a")).buffers().mapped();
        assertTrue(mapped <= 96L * MIB, mapped + " bytes of buffers");
    }

    @Test
    void whoKeepsBuffersWhileOthersWaitIsCutOff() throws Exception {
        start(new Limits(40, 40, 0, 8, 3_000, 64L * MIB, 64L * MIB, 0, 500));
        daemon.attach("a", SIZE, Map.of());
        for (int i = 0; i < 4; i++) {
            neverReads(TestClient.on(daemon.socket(), "a", true), 8 * MIB, 20);
        }
        // a payload that does not come holds a buffer as well
        TestClient writer = keep(TestClient.on(daemon.socket(), "a", true));
        writer.request(Nbd.CMD_WRITE, 0, 1, 0, 4 * MIB);
        TestClient waiting = keep(TestClient.on(daemon.socket(), "a", false));
        waiting.request(Nbd.CMD_READ, 0, 5, 0, 32 * MIB);
        assertEquals(5, waiting.reply(32 * MIB).cookie());
        expectServed(waiting);
    }

    /** What is not a number of bytes or places: lists of the disk's, which are few, and shared. */
    @Test
    void manyQuestionsAboutAllocationWaitForEachOther() throws Exception {
        start(SMALL);
        MemoryPort disk = daemon.attach("a", SIZE, Map.of());
        disk.runBytes = 512;
        TestClient[] asking = {keep(TestClient.on(daemon.socket(), "a", true)), keep(TestClient.on(daemon.socket(), "a", true))};
        disk.held = true;
        for (TestClient client : asking) {
            for (int i = 0; i < 20; i++) {
                client.request(Nbd.CMD_BLOCK_STATUS, 0, i, 0, SIZE);
            }
        }
        Eventually.holds(() -> disk.inFlight == 4);
        daemon.release(disk);
        for (TestClient client : asking) {
            for (int i = 0; i < 20; i++) {
                assertEquals(0, client.reply().error());
            }
        }
        assertEquals(4, disk.mostInFlight);
    }

    @Test
    void aDiskThatThrowsEndsItsClientAndNobodyElses() throws Exception {
        start(SMALL);
        MemoryPort disk = daemon.attach("a", SIZE, Map.of());
        daemon.attach("b", SIZE, Map.of());
        TestClient idle = keep(TestClient.on(daemon.socket(), "a", true));
        TestClient other = keep(TestClient.on(daemon.socket(), "b", true));
        for (Throwable each : new Throwable[] {new IllegalStateException("test"), new StackOverflowError("test"), new InternalError("test")}) {
            TestClient victim = keep(TestClient.on(daemon.socket(), "a", true));
            disk.thrown = each;
            victim.request(Nbd.CMD_READ, 0, 1, 0, 4096);
            assertTrue(victim.closedByServer());
            expectServed(other);
            disk.thrown = null;
            expectServed(idle);
        }
    }
}
