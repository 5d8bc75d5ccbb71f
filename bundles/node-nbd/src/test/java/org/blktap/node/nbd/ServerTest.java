package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.node.DeviceNode;
import org.blktap.api.testkit.Eventually;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.ProcessResources;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Sockets, exports that come and go, and clients that do not get to the transmission. */
@Timeout(60)
@NbdSettings(socket_mode = "0660")
class ServerTest {
    private static final int SIZE = 1 << 20;

    @TempDir
    Path directory;

    private NbdTestDaemon daemon;

    @BeforeEach
    void start() {
        daemon = new NbdTestDaemon(directory);
    }

    @AfterEach
    void stop() throws Exception {
        daemon.close();
    }

    private Reason refused(String id, Map<String, String> options) {
        return assertThrows(DiskException.class, () -> daemon.attach(id, SIZE, options))
                .reason();
    }

    @Test
    void theSocketIsThereWhileThereAreExports() throws Exception {
        daemon.attach("a", SIZE, Map.of());
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(daemon.socket())));
        daemon.attach("b", 2 * SIZE, Map.of());
        assertEquals("nbd+unix:///b?socket=" + daemon.socket(), daemon.node("b").address());
        daemon.detach("a");
        try (NbdTestClient client = NbdTestClient.on(daemon.socket(), "b", true)) {
            assertEquals(2 * SIZE, client.size);
        }
        daemon.detach("b");
        assertFalse(Files.exists(daemon.socket()));
        daemon.attach("c", SIZE, Map.of("mode", "0660"));
        assertEquals("rw-rw----", PosixFilePermissions.toString(Files.getPosixFilePermissions(daemon.socket())));
        assertEquals(Reason.BAD_OPTION, refused("d", Map.of("mode", "0600")));
        daemon.attach("e", SIZE, Map.of());
        NbdTestClient.on(daemon.socket(), "e", false).close();
    }

    private String permissions() throws Exception {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(daemon.socket()));
    }

    @Test
    void settingsSayWhoMayConnectToASocketThatIsMade() throws Exception {
        daemon.provider.configure(ServerTest.class.getAnnotation(NbdSettings.class));
        daemon.attach("a", SIZE, Map.of());
        assertEquals("rw-rw----", permissions());
        daemon.detach("a");
        daemon.attach("b", SIZE, Map.of("mode", "0600"));
        assertEquals("rw-------", permissions());
    }

    /** After a restart of the daemon, exports may come back in another order. */
    @Test
    void itDoesNotMatterWhichExportComesFirst() throws Exception {
        String group = Files.readAttributes(directory, PosixFileAttributes.class)
                .group()
                .getName();
        daemon.attach("a", SIZE, Map.of());
        assertEquals("rw-------", permissions());
        daemon.attach("b", SIZE, Map.of("mode", "0660"));
        assertEquals("rw-rw----", permissions());
        daemon.attach("c", SIZE, Map.of("group", group));
        assertEquals(Reason.BAD_OPTION, refused("d", Map.of("mode", "0600")));
        assertEquals(Reason.BAD_OPTION, refused("d", Map.of("group", "another")));
        daemon.attach("d", SIZE, Map.of("mode", "0660", "group", group));
        assertEquals("rw-rw----", permissions());
        // also when the socket is made again
        Files.delete(daemon.socket());
        daemon.attach("e", SIZE, Map.of());
        assertEquals("rw-rw----", permissions());
    }

    @Test
    void manyExportsEachHaveTheirOwnDisk() throws Exception {
        for (int i = 0; i < 40; i++) {
            daemon.attach("disk" + i, 512 * (i + 1), Map.of());
        }
        for (int i = 0; i < 40; i++) {
            try (NbdTestClient client = NbdTestClient.on(daemon.socket(), "disk" + i, true)) {
                assertEquals(512 * (i + 1), client.size);
            }
        }
    }

    @Test
    void namesAreUniqueAndSane() throws Exception {
        daemon.attach("a", SIZE, Map.of("name", "some disk"));
        assertEquals(
                "nbd+unix:///some%20disk?socket=" + daemon.socket(),
                daemon.node("a").address());
        assertEquals(Reason.EXISTS, refused("b", Map.of("name", "some disk")));
        assertEquals(Reason.BAD_OPTION, refused("b", Map.of("name", "line\nfeed")));
        assertEquals(Reason.BAD_OPTION, refused("b", Map.of("name", "")));
        assertEquals(Reason.BAD_OPTION, refused("b", Map.of("mode", "rw")));
        assertEquals(Reason.BAD_OPTION, refused("b", Map.of("tcp", "65536")));
        NbdTestClient.on(daemon.socket(), "some disk", false).close();
    }

    @Test
    void aStaleSocketIsReplacedAndNothingElse() throws Exception {
        try (ServerSocketChannel other = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            other.bind(UnixDomainSocketAddress.of(daemon.socket()));
            assertEquals(Reason.EXISTS, refused("a", Map.of()));
        }
        assertTrue(Files.exists(daemon.socket()), "closing does not remove it");
        daemon.attach("a", SIZE, Map.of());
        NbdTestClient.on(daemon.socket(), "a", false).close();
        daemon.detach("a");
        Files.writeString(daemon.socket(), "precious");
        assertEquals(Reason.EXISTS, refused("a", Map.of()));
        assertEquals("precious", Files.readString(daemon.socket()));
    }

    @Test
    void aPathThatIsTooLongIsRefusedByName() throws Exception {
        Path deep = Files.createDirectories(directory.resolve("x".repeat(120)));
        NbdTestDaemon elsewhere = new NbdTestDaemon(deep);
        DiskException refusal = assertThrows(DiskException.class, () -> elsewhere.attach("a", SIZE, Map.of()));
        assertEquals(Reason.BAD_OPTION, refusal.reason());
        assertTrue(refusal.getMessage().contains(deep.toString()));
        elsewhere.close();
    }

    @Test
    void anExportMayHaveASocketOfItsOwn() throws Exception {
        Path own = directory.resolve("new/nbd12.3");
        daemon.attach("a", SIZE, Map.of());
        daemon.attach("b", 2 * SIZE, Map.of("socket", own.toString(), "name", "tapdisk_client", "mode", "0660"));
        assertEquals(
                "nbd+unix:///tapdisk_client?socket=" + own, daemon.node("b").address());
        assertEquals("rw-rw----", PosixFilePermissions.toString(Files.getPosixFilePermissions(own)));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(daemon.socket())));
        try (NbdTestClient client = NbdTestClient.on(own, "tapdisk_client", true)) {
            assertEquals(2 * SIZE, client.size);
        }
        try (NbdTestClient client = new NbdTestClient(own)) {
            client.enter("", false);
            assertEquals(2 * SIZE, client.size, "the only export of this socket");
        }
        try (NbdTestClient client = new NbdTestClient(daemon.socket())) {
            client.greet();
            client.option(Nbd.OPT_GO, NbdTestClient.go("tapdisk_client"));
            assertEquals(Nbd.REP_ERR_UNKNOWN, client.optionReply().type());
        }
        // the name is taken only on that socket
        daemon.attach("c", SIZE, Map.of("name", "tapdisk_client"));
        assertEquals(Reason.EXISTS, refused("d", Map.of("socket", own.toString(), "name", "tapdisk_client")));
        daemon.detach("b");
        assertFalse(Files.exists(own));
        daemon.attach("b", SIZE, Map.of("socket", own.toString(), "name", "tapdisk_client"));
        NbdTestClient.on(own, "tapdisk_client", false).close();
        for (String bad : List.of("nbd.sock", "", "/", "/a\0b")) {
            assertEquals(Reason.BAD_OPTION, refused("d", Map.of("socket", bad)), bad);
        }
        Files.writeString(directory.resolve("file"), "no directory");
        assertEquals(
                Reason.IO,
                refused("d", Map.of("socket", directory.resolve("file/x").toString())));
    }

    @Test
    void tcpShowsOnlyWhatAskedForIt() throws Exception {
        daemon.attach("hidden", SIZE, Map.of());
        daemon.attach("shown", SIZE, Map.of("tcp", "0"));
        String address = daemon.node("shown").address();
        assertTrue(address.startsWith("nbd://127.0.0.1:"), address);
        int port = Integer.parseInt(address.replaceAll("nbd://127.0.0.1:(\\d+)/shown .*", "$1"));
        try (NbdTestClient client = new NbdTestClient(port)) {
            client.enter("", true);
            assertEquals(SIZE, client.size, "the only export of this port");
            byte[] data = new byte[300_000];
            new Random(1).nextBytes(data);
            client.requestWrite(0, 1, 0, data);
            assertEquals(0, client.reply().error());
        }
        try (NbdTestClient client = new NbdTestClient(port)) {
            client.greet();
            client.option(Nbd.OPT_GO, NbdTestClient.go("hidden"));
            assertEquals(Nbd.REP_ERR_UNKNOWN, client.optionReply().type());
        }
        daemon.attach("more", SIZE, Map.of("tcp", Integer.toString(port)));
        new NbdTestClient(port).enter("more", false).close();
        daemon.detach("shown");
        new NbdTestClient(port).enter("more", false).close();
        daemon.detach("more");
        assertThrows(IOException.class, () -> new NbdTestClient(port));
        try (ServerSocketChannel other = ServerSocketChannel.open()) {
            other.bind(new java.net.InetSocketAddress(java.net.InetAddress.getLoopbackAddress(), 0));
            int taken = ((java.net.InetSocketAddress) other.getLocalAddress()).getPort();
            assertEquals(Reason.BUSY, refused("a", Map.of("tcp", Integer.toString(taken))));
        }
        NbdTestClient.on(daemon.socket(), "hidden", false).close();
    }

    @Test
    void aNodeThatClosesDropsItsClients() throws Exception {
        daemon.attach("a", SIZE, Map.of());
        daemon.attach("b", SIZE, Map.of());
        try (NbdTestClient client = NbdTestClient.on(daemon.socket(), "a", true);
                NbdTestClient other = NbdTestClient.on(daemon.socket(), "b", true)) {
            daemon.detach("a");
            assertTrue(client.closedByServer());
            other.request(Nbd.CMD_FLUSH, 0, 7, 0, 0);
            assertEquals(7, other.reply().cookie());
        }
        daemon.expectNoClients();
    }

    @Test
    void aClientThatLeavesTakesRequestsAlongThatAreHeldForTheStorage() throws Exception {
        MemoryPort port = daemon.attach("a", SIZE, Map.of());
        try (NbdTestClient client = NbdTestClient.on(daemon.socket(), "a", true)) {
            daemon.loop("a").call(() -> port.hold = true);
            client.request(Nbd.CMD_READ, 0, 7, 0, 4096);
            client.requestWrite(0, 8, 4096, new byte[4096]);
            client.request(Nbd.CMD_FLUSH, 0, 9, 0, 0);
            Eventually.holds("they are held", () -> port.pending() == 3);
            daemon.loop("a").call(() -> port.withdrawable = true);
        }
        daemon.expectNoClients();
        assertEquals(0, port.pending());
        assertEquals(0, daemon.status("a").get("clients"));
    }

    @Test
    void handshakesEndWithTheLastExport() throws Exception {
        daemon.attach("a", SIZE, Map.of());
        try (NbdTestClient client = new NbdTestClient(daemon.socket())) {
            client.greet();
            daemon.detach("a");
            assertTrue(client.closedByServer());
        }
        daemon.expectNoClients();
    }

    /** As README shows it: a second way to an export that is there. */
    @Test
    void anAttachmentGetsTcpBesideItsSocket() throws Exception {
        daemon.attach("a", SIZE, Map.of());
        DeviceNode tcp = daemon.plug("a", Map.of("tcp", "0"));
        String address = tcp.address();
        assertTrue(address.matches("nbd://127\\.0\\.0\\.1:\\d+/a"), address);
        int port = Integer.parseInt(address.replaceAll(".*:(\\d+)/a", "$1"));
        try (NbdTestClient local = NbdTestClient.on(daemon.socket(), "a", true);
                NbdTestClient remote = new NbdTestClient(port).enter("a", false)) {
            remote.requestWrite(0, 1, 4096, new byte[] {1, 2, 3, 4});
            assertEquals(0, remote.reply().error());
            local.request(Nbd.CMD_READ, 0, 2, 4096, 4);
            assertArrayEquals(new byte[] {1, 2, 3, 4}, local.reply().data());
            // another attachment does not get the name, here or there
            assertEquals(Reason.EXISTS, refused("b", Map.of("name", "a")));
            assertEquals(Reason.EXISTS, refused("b", Map.of("name", "a", "tcp", "0")));
            assertEquals(Reason.EXISTS, refused("a", Map.of()));
        }
        daemon.unplug("a", tcp);
        assertThrows(IOException.class, () -> new NbdTestClient(port).close());
        NbdTestClient.on(daemon.socket(), "a", true).close();
        daemon.expectNoClients();
    }

    /** The socket goes with the node that made it, the port stays with its own. */
    @Test
    void tcpStaysWhenTheSocketsNodeGoes() throws Exception {
        daemon.attach("a", SIZE, Map.of());
        DeviceNode tcp = daemon.plug("a", Map.of("tcp", "0"));
        int port = Integer.parseInt(tcp.address().replaceAll(".*:(\\d+)/a", "$1"));
        daemon.unplug("a", daemon.node("a"));
        assertFalse(Files.exists(daemon.socket()));
        new NbdTestClient(port).enter("a", true).close();
        assertEquals(Reason.EXISTS, refused("b", Map.of("name", "a", "tcp", Integer.toString(port))));
        DeviceNode again = daemon.plug("a", Map.of());
        NbdTestClient.on(daemon.socket(), "a", true).close();
        daemon.expectNoClients();
        daemon.unplug("a", again);
        daemon.unplug("a", tcp);
    }

    @Test
    void requestsThatComeWithTheHandshakeAreTaken() throws Exception {
        daemon.attach("a", SIZE, Map.of());
        try (NbdTestClient client = new NbdTestClient(daemon.socket())) {
            client.read(18);
            ByteBuffer all = ByteBuffer.allocate(4096)
                    .putInt(3)
                    .put(NbdTestClient.optionBytes(Nbd.OPT_EXPORT_NAME, new byte[] {'a'})
                            .flip())
                    .put(NbdTestClient.header(Nbd.CMD_FLUSH, 0, 5, 0, 0).flip())
                    .put(NbdTestClient.header(Nbd.CMD_DISC, 0, 6, 0, 0).flip());
            client.write(all);
            assertEquals(SIZE, client.read(10).getLong());
            assertEquals(5, client.reply().cookie());
            assertTrue(client.closedByServer());
        }
    }

    @Test
    void clientsThatTalkNonsenseHarmNobody() throws Exception {
        daemon.attach("a", SIZE, Map.of());
        long before = ProcessResources.sockets();
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int i = 0; i < 300; i++) {
            try (NbdTestClient client = new NbdTestClient(daemon.socket())) {
                byte[] noise = new byte[random.nextInt(2000)];
                random.nextBytes(noise);
                ByteBuffer bytes = ByteBuffer.allocate(4096);
                if (random.nextBoolean()) {
                    bytes.putInt(3)
                            .putLong(Nbd.IHAVEOPT)
                            .putInt(random.nextInt(12))
                            .putInt(random.nextInt(2100));
                }
                client.write(bytes.put(noise));
            } catch (IOException e) {
                assertTrue(e.getMessage() != null, "cut off, seed " + seed);
            }
        }
        // served after all that came before it: until then some of those may not even be accepted
        NbdTestClient.on(daemon.socket(), "a", true).close();
        daemon.expectNoClients();
        Eventually.holds(() -> "as many sockets as before, " + before, () -> ProcessResources.sockets() == before);
    }
}
