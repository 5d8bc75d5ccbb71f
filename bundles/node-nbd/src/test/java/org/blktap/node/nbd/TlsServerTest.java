package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import javax.net.ssl.SSLEngine;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.tls.Credentials;
import org.blktap.tls.TlsRecords;
import org.blktap.tls.TlsRole;
import org.blktap.tls.testkit.TestCertificates;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** STARTTLS and what follows it, by clients that are right, wrong and hostile. */
@Timeout(120)
class TlsServerTest {
    static {
        // keys change after each MiB, where Java would after 128 GiB; read when the first engine is made
        Security.setProperty("jdk.tls.keyLimits", "AES/GCM/NoPadding KeyUpdate 2^20");
    }

    private static final int SIZE = 40 << 20;
    private static final int MIB = 1 << 20;

    @TempDir
    static Path shared;

    private static TestCertificates certificates;

    @TempDir
    Path directory;

    private NbdTestDaemon daemon;
    private final List<NbdTestClient> clients = new ArrayList<>();

    @BeforeAll
    static void sign() throws Exception {
        certificates = TestCertificates.usual(shared.resolve("pki"));
    }

    private MemoryPort attach(String id, String... options) throws Exception {
        if (daemon == null) {
            daemon = new NbdTestDaemon(directory);
        }
        return daemon.attach(id, SIZE, options(options));
    }

    private static Map<String, String> options(String... options) {
        Map<String, String> all = new HashMap<>(Map.of("tcp", "0"));
        if (!List.of(options).contains("tls=off")) {
            all.put("certificates", certificates.directory().toString());
        }
        for (String each : options) {
            all.put(each.substring(0, each.indexOf('=')), each.substring(each.indexOf('=') + 1));
        }
        return all;
    }

    @AfterEach
    void stop() throws Exception {
        for (NbdTestClient client : clients) {
            client.close();
        }
        if (daemon != null) {
            daemon.expectNoClients();
            daemon.close();
        }
    }

    private int port(String id) {
        return Integer.parseInt(daemon.node(id).address().replaceAll(".*127.0.0.1:(\\d+)/.*", "$1"));
    }

    private NbdTestClient client(String id) throws Exception {
        NbdTestClient client = new NbdTestClient(port(id));
        clients.add(client);
        return client;
    }

    private static Credentials credentials() throws Exception {
        return Credentials.read(certificates.directory(), TlsRole.CLIENT);
    }

    private NbdTestClient secure(String id) throws Exception {
        return client(id).secure(credentials());
    }

    private static void expect(NbdTestClient client, int option, byte[] data, int type) throws IOException {
        client.option(option, data);
        NbdTestClient.OptionReply reply = client.optionReply();
        assertEquals(option, reply.option());
        assertEquals(Integer.toHexString(type), Integer.toHexString(reply.type()));
    }

    private static void expectServed(NbdTestClient client) throws Exception {
        client.request(Nbd.CMD_READ, 0, 77, 0, 4096);
        assertEquals(77, client.reply(4096).cookie());
    }

    /** Waits until the server closes, perhaps after it has sent an alert. */
    private static void awaitEnd(NbdTestClient client) {
        boolean closed = false;
        while (!closed) {
            closed = client.closedByServer();
        }
    }

    // ---- what is served

    @Test
    void dataIsWhatItWas() throws Exception {
        attach("a", "tls=required");
        assertTrue(
                daemon.node("a").address().startsWith("nbds://127.0.0.1:"),
                daemon.node("a").address());
        Random random = new Random(7);
        for (Framing framing : Framing.values()) {
            NbdTestClient client = secure("a").choose("a", framing);
            for (int bytes : new int[] {1, 512, 4096, 16_384, 16_385, 100_000, 5 * MIB, 32 * MIB}) {
                byte[] data = new byte[bytes];
                random.nextBytes(data);
                client.requestWrite(Nbd.CMD_FLAG_FUA, 1, 513, data);
                assertEquals(0, client.reply().error());
                client.request(Nbd.CMD_READ, 0, 2, 513, bytes);
                assertArrayEquals(data, client.reply(bytes).data());
            }
            client.request(Nbd.CMD_DISC, 0, 3, 0, 0);
            assertTrue(client.closedByServer());
        }
        // the unix socket has no TLS, and its mode decides
        try (NbdTestClient local = NbdTestClient.on(daemon.socket(), "a", true)) {
            expectServed(local);
        }
        try (NbdTestClient local = new NbdTestClient(daemon.socket())) {
            local.greet();
            expect(local, Nbd.OPT_STARTTLS, new byte[0], Nbd.REP_ERR_POLICY);
        }
    }

    @Test
    void manyRequestsAtOnceAndAClientThatDoesNotRead() throws Exception {
        MemoryPort port = attach("a", "tls=required");
        Random random = new Random(8);
        byte[] contents = new byte[8 * MIB];
        random.nextBytes(contents);
        NbdTestClient client = secure("a").choose("a", Framing.STRUCTURED);
        client.requestWrite(0, 1, 0, contents);
        assertEquals(0, client.reply().error());
        NbdTestClient lazy = secure("a").choose("a", Framing.SIMPLE);
        for (int i = 0; i < 200; i++) {
            lazy.request(Nbd.CMD_READ, 0, i, 0, MIB);
        }
        for (int round = 0; round < 20; round++) {
            ByteBuffer requests = ByteBuffer.allocate(100 * Nbd.REQUEST_BYTES);
            for (int i = 0; i < 100; i++) {
                requests.put(NbdTestClient.header(Nbd.CMD_READ, 0, i, i * 70_001L, 1 + i * 37 * (round + 1))
                        .flip());
            }
            client.write(requests);
            for (int i = 0; i < 100; i++) {
                NbdTestClient.Reply reply = client.reply();
                int cookie = (int) reply.cookie();
                int from = cookie * 70_001;
                assertArrayEquals(
                        java.util.Arrays.copyOfRange(contents, from, from + 1 + cookie * 37 * (round + 1)),
                        reply.data());
            }
        }
        for (int i = 0; i < 200; i++) {
            NbdTestClient.Reply reply = lazy.reply(MIB);
            assertEquals(0, reply.error());
            assertArrayEquals(java.util.Arrays.copyOf(contents, MIB), reply.data());
        }
        assertTrue(port.info.sizeBytes() > 0);
    }

    @Test
    void clientsOfTls12AreServedButDoNotNegotiateAgain() throws Exception {
        attach("a", "tls=required");
        SSLEngine engine = credentials().clientEngine("localhost", 1);
        engine.setEnabledProtocols(new String[] {"TLSv1.2"});
        NbdTestClient client = client("a");
        client.greet();
        expect(client, Nbd.OPT_STARTTLS, new byte[0], Nbd.REP_ACK);
        client.shake(engine).choose("a", Framing.STRUCTURED);
        assertEquals("TLSv1.2", engine.getSession().getProtocol());
        expectServed(client);
        engine.beginHandshake();
        assertThrows(IOException.class, () -> client.shakeAgain());
    }

    // ---- STARTTLS

    @Test
    void nothingButStartTlsIsAnsweredBefore() throws Exception {
        attach("a", "tls=required");
        NbdTestClient client = client("a");
        client.greet();
        int[] options = {
            Nbd.OPT_LIST,
            Nbd.OPT_STRUCTURED_REPLY,
            Nbd.OPT_EXTENDED_HEADERS,
            Nbd.OPT_LIST_META_CONTEXT,
            Nbd.OPT_SET_META_CONTEXT,
            77
        };
        for (int option : options) {
            expect(client, option, new byte[0], Nbd.REP_ERR_TLS_REQD);
        }
        for (String export : new String[] {"a", "none"}) {
            expect(client, Nbd.OPT_INFO, NbdTestClient.go(export), Nbd.REP_ERR_TLS_REQD);
            expect(client, Nbd.OPT_GO, NbdTestClient.go(export), Nbd.REP_ERR_TLS_REQD);
        }
        expect(client, Nbd.OPT_GO, new byte[100_000], Nbd.REP_ERR_TLS_REQD);
        expect(client, Nbd.OPT_STARTTLS, new byte[1], Nbd.REP_ERR_INVALID);
        expect(client, Nbd.OPT_ABORT, new byte[0], Nbd.REP_ACK);
        assertTrue(client.closedByServer());
        NbdTestClient other = client("a");
        other.greet();
        other.option(Nbd.OPT_EXPORT_NAME, "a".getBytes());
        assertTrue(other.closedByServer());
        NbdTestClient old = client("a");
        old.read(18);
        old.write(ByteBuffer.allocate(4).putInt(0));
        old.option(Nbd.OPT_STARTTLS, new byte[0]);
        assertTrue(old.closedByServer(), "STARTTLS without fixed newstyle");
    }

    @Test
    void whatIsPipelinedBehindStartTlsEndsTheConnection() throws Exception {
        attach("a", "tls=required");
        ByteBuffer go =
                NbdTestClient.optionBytes(Nbd.OPT_GO, NbdTestClient.go("a")).flip();
        for (int rest : new int[] {1, 16, go.limit()}) {
            NbdTestClient client = client("a");
            client.greet();
            client.write(ByteBuffer.allocate(100)
                    .put(NbdTestClient.optionBytes(Nbd.OPT_STARTTLS, new byte[0])
                            .flip())
                    .put(go.duplicate().limit(rest)));
            assertEquals(Nbd.REP_ACK, client.optionReply().type());
            assertTrue(client.closedByServer());
        }
        // the same a moment later: it is taken for a record, and is none
        NbdTestClient client = client("a");
        client.greet();
        expect(client, Nbd.OPT_STARTTLS, new byte[0], Nbd.REP_ACK);
        client.write(NbdTestClient.optionBytes(Nbd.OPT_GO, NbdTestClient.go("a")));
        awaitEnd(client);
    }

    @Test
    void tlsIsStartedOnce() throws Exception {
        attach("a", "tls=required");
        NbdTestClient client = secure("a");
        expect(client, Nbd.OPT_STARTTLS, new byte[0], Nbd.REP_ERR_INVALID);
        client.choose("a", Framing.STRUCTURED);
        expectServed(client);
    }

    @Test
    void whatWasAgreedBeforeIsForgotten() throws Exception {
        attach("a", "tls=allowed");
        NbdTestClient client = client("a");
        client.greet();
        expect(client, Nbd.OPT_STRUCTURED_REPLY, new byte[0], Nbd.REP_ACK);
        client.option(Nbd.OPT_SET_META_CONTEXT, NbdTestClient.context("a"));
        assertEquals(Nbd.REP_META_CONTEXT, client.optionReply().type());
        assertEquals(Nbd.REP_ACK, client.optionReply().type());
        expect(client, Nbd.OPT_STARTTLS, new byte[0], Nbd.REP_ACK);
        client.shake(credentials().clientEngine("localhost", 1));
        expect(client, Nbd.OPT_SET_META_CONTEXT, NbdTestClient.context("a"), Nbd.REP_ERR_INVALID);
        client.choose("a", Framing.SIMPLE);
        assertEquals(0, client.flags & Nbd.FLAG_SEND_DF);
        expectServed(client);
    }

    @Test
    void oneportMayHaveExportsOfAllModes() throws Exception {
        attach("a", "tls=required");
        String port = "tcp=" + port("a");
        attach("b", "tls=off", port);
        attach("c", "tls=allowed", port);
        NbdTestClient plain = client("a");
        plain.greet();
        plain.option(Nbd.OPT_LIST, new byte[0]);
        List<String> names = new ArrayList<>();
        for (var reply = plain.optionReply(); reply.type() == Nbd.REP_SERVER; reply = plain.optionReply()) {
            byte[] name = new byte[reply.data().getInt()];
            reply.data().get(name);
            names.add(new String(name));
        }
        assertEquals(List.of("b", "c"), names);
        expect(plain, Nbd.OPT_GO, NbdTestClient.go("a"), Nbd.REP_ERR_TLS_REQD);
        expect(plain, Nbd.OPT_INFO, NbdTestClient.go("a"), Nbd.REP_ERR_TLS_REQD);
        expect(plain, Nbd.OPT_STRUCTURED_REPLY, new byte[0], Nbd.REP_ACK);
        expect(plain, Nbd.OPT_SET_META_CONTEXT, NbdTestClient.context("a"), Nbd.REP_ERR_UNKNOWN);
        plain.choose("c", Framing.STRUCTURED);
        expectServed(plain);
        for (String each : new String[] {"a", "b", "c"}) {
            NbdTestClient secure = secure("a");
            secure.choose(each, Framing.STRUCTURED);
            expectServed(secure);
        }
        assertEquals(
                Reason.BAD_OPTION,
                assertThrows(
                                DiskException.class,
                                () -> attach(
                                        "d",
                                        "tls=required",
                                        port,
                                        "certificates="
                                                + certificates
                                                        .copyTo(directory.resolve("other"))
                                                        .directory()))
                        .reason());
    }

    // ---- who is let in

    @Test
    void clientsProveWhoTheyAre() throws Exception {
        attach("a", "tls=required");
        TestCertificates strange = TestCertificates.usual(directory.resolve("strange"));
        Files.copy(
                certificates.directory().resolve("ca-cert.pem"),
                strange.directory().resolve("ca-cert.pem"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        TestCertificates late = certificates.copyTo(directory.resolve("late"));
        late.sign("client", "/CN=backup/O=Example", null, -1);
        TestCertificates nobody = certificates.copyTo(directory.resolve("nobody"));
        Files.delete(nobody.directory().resolve("client-cert.pem"));
        for (TestCertificates each : List.of(strange, late, nobody)) {
            Credentials wrong = Credentials.read(each.directory(), TlsRole.CLIENT);
            NbdTestClient client = client("a");
            assertThrows(
                    IOException.class,
                    () -> client.secure(wrong).choose("a", Framing.SIMPLE),
                    each.directory().toString());
        }
        expectServed(secure("a").choose("a", Framing.SIMPLE));
    }

    /** The port had no TLS when the client came. */
    @Test
    void aClientWithoutTlsGetsNoExportThatWantsItLater() throws Exception {
        attach("plain", "tls=off");
        NbdTestClient early = client("plain");
        early.greet();
        attach("strict", "tls=required", "tcp=" + port("plain"), "subjects=CN=other");
        expect(early, Nbd.OPT_GO, NbdTestClient.go("strict"), Nbd.REP_ERR_TLS_REQD);
        expectServed(early.choose("plain", Framing.SIMPLE));
    }

    @Test
    void anExportMayBeForSomeSubjectsOnly() throws Exception {
        Path list = Files.writeString(directory.resolve("list"), "# nobody yet\nCN=someone\n");
        attach("mine", "tls=required", "subjects=CN=other;o=example%2C cn=Backup");
        String port = "tcp=" + port("mine");
        attach("theirs", "tls=required", port, "subjects=CN=other");
        attach("listed", "tls=required", port, "subjects=" + list);
        NbdTestClient client = secure("mine");
        expect(client, Nbd.OPT_GO, NbdTestClient.go("theirs"), Nbd.REP_ERR_POLICY);
        expect(client, Nbd.OPT_INFO, NbdTestClient.go("listed"), Nbd.REP_ERR_POLICY);
        expect(client, Nbd.OPT_STRUCTURED_REPLY, new byte[0], Nbd.REP_ACK);
        expect(client, Nbd.OPT_SET_META_CONTEXT, NbdTestClient.context("theirs"), Nbd.REP_ERR_POLICY);
        client.option(Nbd.OPT_LIST, new byte[0]);
        assertEquals("mine", new String(client.optionReply().data().array(), 4, 4));
        assertEquals(Nbd.REP_ACK, client.optionReply().type());
        // the only one that it may use is the default
        client.choose("", Framing.STRUCTURED);
        expectServed(client);
        NbdTestClient named = secure("mine");
        named.option(Nbd.OPT_EXPORT_NAME, "theirs".getBytes());
        assertTrue(named.closedByServer());
        Files.writeString(list, "O=Example,CN=backup\n");
        expectServed(secure("mine").choose("listed", Framing.SIMPLE));
        // what cannot be read changes nothing
        Files.writeString(list, "what is this\n");
        expectServed(secure("mine").choose("listed", Framing.SIMPLE));
    }

    @Test
    void certificatesAreReplacedWhileClientsAreThere() throws Exception {
        TestCertificates own = certificates.copyTo(directory.resolve("own"));
        attach("a", "tls=required", "certificates=" + own.directory());
        NbdTestClient before = secure("a").choose("a", Framing.SIMPLE);
        own.sign("server", "/CN=renewed", TestCertificates.LOCAL, 30);
        NbdTestClient after = secure("a");
        assertEquals(
                "CN=renewed", after.tls.engine().getSession().getPeerPrincipal().getName());
        after.choose("a", Framing.SIMPLE);
        own.revoke("client");
        assertThrows(IOException.class, () -> secure("a").choose("a", Framing.SIMPLE));
        expectServed(before);
        expectServed(after);
    }

    /** The certificates of a port are those of the exports that are there, not of one that has ended. */
    @Test
    void otherCertificatesMayFollowTheLastExportWithTls() throws Exception {
        attach("a", "tls=required");
        String port = "tcp=" + port("a");
        attach("b", "tls=off", port);
        TestCertificates theirs = TestCertificates.usual(directory.resolve("theirs"));
        String[] options = {"tls=required", port, "certificates=" + theirs.directory()};
        DiskException refused = assertThrows(DiskException.class, () -> attach("c", options));
        assertTrue(refused.getMessage().contains("set by an export that is there"), refused::getMessage);
        // in the handshake, with what the first export's authority has signed
        NbdTestClient early = secure("a");
        daemon.detach("a");
        awaitEnd(early);
        attach("c", options);
        expectServed(client("c")
                .secure(Credentials.read(theirs.directory(), TlsRole.CLIENT))
                .choose("c", Framing.SIMPLE));
        assertThrows(IOException.class, () -> secure("c").choose("c", Framing.SIMPLE));
        try (NbdTestClient plain = new NbdTestClient(port("b"))) {
            plain.greet();
            expectServed(plain.choose("b", Framing.SIMPLE));
        }
    }

    // ---- hostile

    @Test
    void whatIsNoTlsEndsTheConnectionAndNoOther() throws Exception {
        attach("a", "tls=required");
        NbdTestClient good = secure("a").choose("a", Framing.STRUCTURED);
        Random random = new Random(9);
        for (int i = 0; i < 60; i++) {
            NbdTestClient client = client("a");
            client.greet();
            expect(client, Nbd.OPT_STARTTLS, new byte[0], Nbd.REP_ACK);
            byte[] noise = new byte[1 + random.nextInt(2000)];
            random.nextBytes(noise);
            if (i % 3 > 0) {
                // a record that looks right, with garbage or an impossible length
                noise = ByteBuffer.allocate(Math.max(noise.length, 5))
                        .put((byte) (20 + i % 4))
                        .put((byte) 3)
                        .put((byte) 1)
                        .putShort((short) (i % 3 == 1 ? Math.max(noise.length, 5) - 5 : 40_000 + i))
                        .array();
            }
            try {
                client.write(ByteBuffer.allocate(noise.length).put(noise));
                client.channel.shutdownOutput();
                awaitEnd(client);
            } catch (IOException e) {
                // closed as well
            }
        }
        expectServed(good);
        // in transmission
        NbdTestClient late = secure("a").choose("a", Framing.STRUCTURED);
        late.channel.write(ByteBuffer.wrap("NBD without TLS".getBytes()));
        assertTrue(late.closedByServer());
        expectServed(good);
    }

    @Test
    void halfAHandshakeEndsInTime() throws Exception {
        NbdLimits usual = NbdLimits.of(NbdTestDaemon.class.getAnnotation(NbdSettings.class));
        daemon = new NbdTestDaemon(
                directory,
                new NbdLimits(
                        4, 1, 5, 8, 1_500, usual.exportBytes(), usual.reservedBytes(), usual.commonBytes(), 60_000));
        daemon.attach("a", SIZE, options("tls=required"));
        List<NbdTestClient> stalled = new ArrayList<>();
        // more than there are places for handshakes
        for (int i = 0; i < 12; i++) {
            NbdTestClient client = client("a");
            client.greet();
            expect(client, Nbd.OPT_STARTTLS, new byte[0], Nbd.REP_ACK);
            TlsRecords half = client.records(credentials().clientEngine("localhost", 1));
            half.handshake();
            client.sendPart(i % 2 == 0 ? 3 : half.outputBytes() - 1);
            stalled.add(client);
        }
        expectServed(secure("a").choose("a", Framing.SIMPLE));
        stalled.forEach(TlsServerTest::awaitEnd);
    }

    // ---- other hosts

    @Test
    void beyondLoopbackTlsIsRequired() throws Exception {
        daemon = new NbdTestDaemon(directory);
        String[][] refused = {
            {"tcp=0.0.0.0:0"},
            {"tcp=0.0.0.0:0", "tls=off"},
            {"tcp=0.0.0.0:0", "tls=allowed"},
            {"tcp=[::]:0"},
            {"tcp=[::ffff:192.0.2.1]:0"},
            {"tcp=192.0.2.1:0"},
        };
        for (String[] each : refused) {
            DiskException error = assertThrows(DiskException.class, () -> daemon.attach("a", SIZE, options(each)));
            assertEquals(Reason.BAD_OPTION, error.reason());
            assertTrue(error.getMessage().contains("tls=required"), error::getMessage);
        }
        for (String bad :
                new String[] {"x", "70000", "1.2.3.4", "1.2.3.999:1", "localhost:1", "::1:5", "[::x]:1", "-1"}) {
            DiskException error =
                    assertThrows(DiskException.class, () -> daemon.attach("a", SIZE, options("tcp=" + bad)), bad);
            assertEquals(Reason.BAD_OPTION, error.reason());
        }
        for (String[] each : new String[][] {
            {"tls=yes"},
            {"subjects=CN=a"},
            {"tls=allowed", "subjects=CN=a"},
            {"tls=required", "subjects=a;"},
            {"tls=required", "certificates=relative"}
        }) {
            assertThrows(DiskException.class, () -> daemon.attach("a", SIZE, options(each)), each[0]);
        }
        assertThrows(DiskException.class, () -> daemon.attach("a", SIZE, Map.of("tls", "required")));
        daemon.attach("a", SIZE, options("tcp=0.0.0.0:0", "tls=required"));
        assertNotEquals("", daemon.node("a").address());
        daemon.attach("b", SIZE, options("tcp=[::1]:0", "tls=required"));
        assertTrue(
                daemon.node("b").address().startsWith("nbds://[0:0:0:0:0:0:0:1]:"),
                daemon.node("b").address());
    }
}
