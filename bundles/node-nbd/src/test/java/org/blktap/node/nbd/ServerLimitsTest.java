package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Clients that take all they can get: they are bounded, and others are served. */
@Timeout(120)
class ServerLimitsTest {
    private static final int SIZE = 40 << 20;
    private static final int MIB = 1 << 20;
    /**
     * Small ones, so that a test reaches them: 4 clients of an export on a socket, 8 handshakes, 96 MiB of which 48 are
     * reserved.
     */
    private static final NbdLimits SMALL = new NbdLimits(4, 1, 5, 8, 3_000, 96L * MIB, 48L * MIB, 48L * MIB, 60_000);

    @TempDir
    Path directory;

    private NbdTestDaemon daemon;
    private final List<NbdTestClient> clients = new ArrayList<>();

    private void start(NbdLimits limits) {
        daemon = new NbdTestDaemon(directory, limits);
    }

    @AfterEach
    void stop() throws Exception {
        for (NbdTestClient client : clients) {
            client.close();
        }
        daemon.expectNoClients();
        daemon.close();
    }

    private NbdTestClient keep(NbdTestClient client) {
        clients.add(client);
        return client;
    }

    private int port(String id) {
        return Integer.parseInt(daemon.node(id).address().replaceAll(".*127.0.0.1:(\\d+)/.*", "$1"));
    }

    private static void expectServed(NbdTestClient client) throws Exception {
        client.request(Nbd.CMD_READ, 0, 77, 0, 4096);
        assertEquals(77, client.reply(4096).cookie());
    }

    @Test
    void idleHandshakesLockNobodyOut() throws Exception {
        start(SMALL);
        daemon.attach("a", SIZE, Map.of("tcp", "0"));
        for (int i = 0; i < 30; i++) {
            keep(new NbdTestClient(port("a")));
        }
        // the other socket does not notice, and here the idle ones make way
        expectServed(keep(NbdTestClient.on(daemon.socket(), "a", true)));
        expectServed(keep(new NbdTestClient(port("a")).enter("a", true)));
    }

    @Test
    void aHandshakeByteByByteEndsInTime() throws Exception {
        start(new NbdLimits(4, 1, 5, 8, 300, 96L * MIB, 48L * MIB, 0, 60_000));
        daemon.attach("a", SIZE, Map.of());
        NbdTestClient slow = keep(new NbdTestClient(daemon.socket()));
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
            expectServed(keep(new NbdTestClient(port).enter("a", false)));
        }
        NbdTestClient late = keep(new NbdTestClient(port));
        late.greet();
        late.option(Nbd.OPT_GO, NbdTestClient.go("a"));
        assertEquals(Nbd.REP_ERR_POLICY, late.optionReply().type());
        late.option(Nbd.OPT_EXPORT_NAME, "a".getBytes());
        assertTrue(late.closedByServer());
        expectServed(keep(NbdTestClient.on(daemon.socket(), "a", true)));
        expectServed(keep(new NbdTestClient(port).enter("b", true)));
        // the common places are gone with these; the reserve is not
        expectServed(keep(new NbdTestClient(port).enter("b", true)));
        expectServed(keep(new NbdTestClient(port).enter("b", true)));
        expectServed(keep(NbdTestClient.on(daemon.socket(), "b", true)));
        NbdTestClient beyond = keep(new NbdTestClient(daemon.socket()));
        beyond.greet();
        beyond.option(Nbd.OPT_GO, NbdTestClient.go("b"));
        assertEquals(Nbd.REP_ERR_POLICY, beyond.optionReply().type());
        // a place that is given back is there again
        clients.get(0).close();
        Eventually.holds("the place is free", () -> {
            NbdTestClient next = keep(new NbdTestClient(daemon.socket()));
            next.greet();
            next.option(Nbd.OPT_GO, NbdTestClient.go("b"));
            return next.optionReply().type() != Nbd.REP_ERR_POLICY;
        });
    }

    /** Asks for more than it may have, in one piece, and takes no replies. */
    private NbdTestClient neverReads(NbdTestClient client, int length, int count) throws Exception {
        ByteBuffer requests = ByteBuffer.allocate(count * Nbd.REQUEST_BYTES);
        for (int i = 0; i < count; i++) {
            requests.put(NbdTestClient.header(Nbd.CMD_READ, 0, i, 0, length).flip());
        }
        client.write(requests);
        return keep(client);
    }

    @Test
    void clientsThatDoNotReadAreBoundedInAll() throws Exception {
        start(new NbdLimits(40, 40, 0, 8, 3_000, 96L * MIB, 48L * MIB, 48L * MIB, 60_000));
        daemon.attach("a", SIZE, Map.of("tcp", "0"));
        daemon.attach("b", SIZE, Map.of());
        for (int i = 0; i < 60; i++) {
            int length = new int[] {4096, 64 << 10, MIB, 32 * MIB}[i % 4];
            neverReads(
                    i % 2 == 0
                            ? new NbdTestClient(port("a")).enter("a", true)
                            : NbdTestClient.on(daemon.socket(), "a", true),
                    length,
                    200);
        }
        // another client of the same export, and one of another, which gets its largest request from the reserve
        NbdTestClient small = keep(NbdTestClient.on(daemon.socket(), "a", true));
        for (int i = 0; i < 100; i++) {
            small.request(Nbd.CMD_READ, 0, i, 0, 4096 << i % 5);
            assertEquals(i, small.reply(4096 << i % 5).cookie());
        }
        NbdTestClient other = keep(NbdTestClient.on(daemon.socket(), "b", false));
        other.request(Nbd.CMD_READ, 0, 5, 0, 32 * MIB);
        assertEquals(5, other.reply(32 * MIB).cookie());
        long mapped = ((NbdNode) daemon.node("a")).buffers().mapped();
        assertTrue(mapped <= 96L * MIB, mapped + " bytes of buffers");
    }

    @Test
    void whoKeepsBuffersWhileOthersWaitIsCutOff() throws Exception {
        start(new NbdLimits(40, 40, 0, 8, 3_000, 64L * MIB, 64L * MIB, 0, 500));
        daemon.attach("a", SIZE, Map.of());
        for (int i = 0; i < 4; i++) {
            neverReads(NbdTestClient.on(daemon.socket(), "a", true), 8 * MIB, 20);
        }
        // a payload that does not come holds a buffer as well
        NbdTestClient writer = keep(NbdTestClient.on(daemon.socket(), "a", true));
        writer.request(Nbd.CMD_WRITE, 0, 1, 0, 4 * MIB);
        NbdTestClient waiting = keep(NbdTestClient.on(daemon.socket(), "a", false));
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
        NbdTestClient[] asking = {
            keep(NbdTestClient.on(daemon.socket(), "a", true)), keep(NbdTestClient.on(daemon.socket(), "a", true))
        };
        disk.hold = true;
        for (NbdTestClient client : asking) {
            for (int i = 0; i < 20; i++) {
                client.request(Nbd.CMD_BLOCK_STATUS, 0, i, 0, SIZE);
            }
        }
        Eventually.holds("as many as are allowed are at the disk", () -> disk.pending() == 4);
        daemon.release(disk);
        for (NbdTestClient client : asking) {
            for (int i = 0; i < 20; i++) {
                assertEquals(0, client.reply().error());
            }
        }
        assertEquals(4, disk.mostPending());
    }

    @Test
    void aDiskThatThrowsEndsItsClientAndNobodyElses() throws Exception {
        start(SMALL);
        MemoryPort disk = daemon.attach("a", SIZE, Map.of());
        daemon.attach("b", SIZE, Map.of());
        NbdTestClient idle = keep(NbdTestClient.on(daemon.socket(), "a", true));
        NbdTestClient other = keep(NbdTestClient.on(daemon.socket(), "b", true));
        for (Throwable each : new Throwable[] {
            new IllegalStateException("test"), new StackOverflowError("test"), new InternalError("test")
        }) {
            NbdTestClient victim = keep(NbdTestClient.on(daemon.socket(), "a", true));
            disk.thrown = each;
            victim.request(Nbd.CMD_READ, 0, 1, 0, 4096);
            assertTrue(victim.closedByServer());
            expectServed(other);
            disk.thrown = null;
            expectServed(idle);
        }
    }
}
