package org.blktap.tls;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Locale;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.tls.testkit.TestCertificates;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of all forms, wrong ones, changes of them; and what a handshake makes of certificates. */
class CredentialsTest {
    @TempDir
    Path temporary;

    private TestCertificates good;

    @BeforeEach
    void make() throws Exception {
        good = TestCertificates.usual(temporary.resolve("good"));
    }

    private static Credentials server(TestCertificates of) throws DiskException {
        return Credentials.read(of.directory(), TlsRole.SERVER);
    }

    private static Credentials client(TestCertificates of) throws DiskException {
        return Credentials.read(of.directory(), TlsRole.CLIENT);
    }

    /** One end of a connection. */
    private static final class End {
        final ByteBuffer memory = ByteBuffer.allocate(TlsRecords.MEMORY_BYTES);
        final TlsRecords records;

        End(SSLEngine engine) {
            records = new TlsRecords(engine, memory);
        }

        /** Moves what this end has to say to the other. */
        void pass(End to) {
            int n = records.outputBytes();
            assertTrue(to.records.inputRoom() >= n);
            to.memory.put(to.records.inputOffset(), memory, records.outputOffset(), n);
            records.sent(n);
            to.records.received(n);
        }

        boolean isDone() throws SSLException {
            TlsRecords.Need need = records.handshake();
            while (need == TlsRecords.Need.TASKS) {
                records.runTasks();
                need = records.handshake();
            }
            return need == TlsRecords.Need.NOTHING;
        }
    }

    /** Lets both ends talk, until both are content or one fails; a client learns of the server's refusal last. */
    private static void handshake(End client, End server) throws SSLException {
        boolean done = false;
        for (int i = 0; i < 10 && !done; i++) {
            boolean here = client.isDone();
            client.pass(server);
            done = server.isDone() && here;
            server.pass(client);
        }
        assertTrue(done, "the handshake does not end");
    }

    private static String refusal(Credentials client, Credentials server, String host) {
        SSLException refused = assertThrows(
                SSLException.class,
                () -> handshake(new End(client.clientEngine(host, 1)), new End(server.serverEngine())));
        StringBuilder all = new StringBuilder();
        for (Throwable each = refused; each != null; each = each.getCause()) {
            all.append(each.getMessage()).append('\n');
        }
        return all.toString().toLowerCase(Locale.ROOT);
    }

    private static X509Certificate shown(Credentials client, Credentials server) throws Exception {
        End end = new End(client.clientEngine("localhost", 1));
        handshake(end, new End(server.serverEngine()));
        return (X509Certificate) end.records.engine().getSession().getPeerCertificates()[0];
    }

    @Test
    void bothEndsKnowEachOther() throws Exception {
        End client = new End(client(good).clientEngine("127.0.0.1", 1));
        End server = new End(server(good).serverEngine());
        handshake(client, server);
        assertEquals("TLSv1.3", client.records.engine().getSession().getProtocol());
        assertEquals(
                "TLS_AES_128_GCM_SHA256", client.records.engine().getSession().getCipherSuite());
        assertEquals(
                "O=Example,CN=backup",
                server.records.engine().getSession().getPeerPrincipal().getName());
        byte[] data = "some bytes".repeat(10_000).getBytes();
        ByteBuffer from = ByteBuffer.wrap(data);
        ByteBuffer into = ByteBuffer.allocate(data.length + TlsRecords.MAX_RECORD);
        client.records.seal(from);
        assertEquals(0, from.remaining());
        client.pass(server);
        assertEquals(data.length, server.records.open(into));
        assertEquals(ByteBuffer.wrap(data), into.flip());
        client.records.end();
        client.pass(server);
        server.records.open(into.clear());
        assertTrue(server.records.isClosed());
    }

    @Test
    void keysOfAllFormsAreRead() throws Exception {
        Path key = good.directory().resolve("server-key.pem");
        good.run(List.of("openssl", "ec", "-in", "server-key.pem", "-out", "sec1.pem"));
        Files.copy(good.directory().resolve("sec1.pem"), key, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        assertTrue(Files.readString(key).startsWith("-----BEGIN EC PRIVATE KEY"));
        shown(client(good), server(good));

        good.run(List.of("openssl", "genrsa", "-traditional", "-out", "server-key.pem", "2048"));
        assertTrue(Files.readString(key).startsWith("-----BEGIN RSA PRIVATE KEY"));
        good.run(List.of(
                "openssl", "req", "-new", "-key", "server-key.pem", "-subj", "/CN=localhost", "-out", "server.csr"));
        good.run(List.of(
                "openssl",
                "x509",
                "-req",
                "-in",
                "server.csr",
                "-CA",
                "ca-cert.pem",
                "-CAkey",
                "ca-key.pem",
                "-text",
                "-CAcreateserial",
                "-extfile",
                "names",
                "-out",
                "server-cert.pem"));
        shown(client(good), server(good));

        good.run(List.of("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", "server-key.pem", "-out", "pkcs8.pem"));
        Files.copy(good.directory().resolve("pkcs8.pem"), key, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        assertTrue(Files.readString(key).startsWith("-----BEGIN PRIVATE KEY"));
        shown(client(good), server(good));
    }

    @Test
    void wrongFilesAreNamed() throws Exception {
        Path key = good.directory().resolve("server-key.pem");
        String kept = Files.readString(key);
        good.run(List.of(
                "openssl",
                "pkcs8",
                "-topk8",
                "-in",
                "server-key.pem",
                "-out",
                "locked.pem",
                "-passout",
                "pass:secret"));
        String[][] wrong = {
            {Files.readString(good.directory().resolve("locked.pem")), "encrypted"},
            {Files.readString(good.directory().resolve("client-key.pem")), "not the key of the certificate"},
            {Files.readString(good.directory().resolve("client-cert.pem")), "no private key"},
            {kept.replaceAll("[A-Za-z0-9+/=]{4}\n-----END", "-----END"), "not a private key"},
            {"", "no PEM block"},
            {"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n", "does not name its curve"},
            {"x".repeat(2 << 20), "more than"}
        };
        for (String[] each : wrong) {
            Files.writeString(key, each[0]);
            DiskException refused = assertThrows(DiskException.class, () -> server(good), each[1]);
            assertTrue(refused.getMessage().contains(each[1]), refused::getMessage);
            assertTrue(refused.getMessage().contains("server-key.pem"), refused::getMessage);
        }
        Files.delete(key);
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> server(good)).reason());
    }

    @Test
    void othersAreRefused() throws Exception {
        Credentials server = server(good);
        TestCertificates strange = TestCertificates.usual(temporary.resolve("strange"));
        // each end meets a certificate of another authority
        assertTrue(refusal(client(strange), server, "localhost").contains("path"));
        Files.copy(
                good.directory().resolve("ca-cert.pem"),
                strange.directory().resolve("ca-cert.pem"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        // its name is that of ours, and its key is not
        assertTrue(refusal(client(strange), server, "localhost").contains("signature"));
        assertTrue(refusal(client(good), server, "other.example").contains("other.example"));

        TestCertificates late = good.copyTo(temporary.resolve("late"));
        late.sign("client", "/CN=backup", null, -1);
        assertTrue(refusal(client(late), server, "localhost").contains("validity"));
        late.sign("server", "/CN=localhost", TestCertificates.LOCAL, -1);
        assertTrue(refusal(client(good), server(late), "localhost").contains("validity"));

        TestCertificates nobody = good.copyTo(temporary.resolve("nobody"));
        Files.delete(nobody.directory().resolve("client-cert.pem"));
        String said = refusal(client(nobody), server, "localhost");
        assertTrue(said.contains("certificate"), said);
    }

    @Test
    void changedFilesAreReadAgain() throws Exception {
        Credentials client = client(good);
        Credentials server = server(good);
        X509Certificate before = shown(client, server);
        good.sign("server", "/CN=localhost", TestCertificates.LOCAL, 30);
        X509Certificate after = shown(client, server);
        assertTrue(!before.equals(after));
        // half of a change, and what is no certificate: the pair from before stays in use
        Files.writeString(good.directory().resolve("server-cert.pem"), "nothing");
        assertEquals(after, shown(client, server));
        good.sign("server", "/CN=localhost", TestCertificates.LOCAL, 30);
        assertTrue(!after.equals(shown(client, server)));
        // revoked while the server runs
        good.revoke(null);
        shown(client, server);
        good.revoke("client");
        assertTrue(refusal(client, server, "localhost").contains("revoked"));
    }

    @Test
    void whatIsNoTlsIsRefused() throws Exception {
        byte[][] hostile = {
            "NBDMAGICIHAVEOPT".getBytes(),
            {22, 3, 1, (byte) 0xff, (byte) 0xff},
            {22, 2, 0, 0, 1, 0},
            {23, 3, 3, 0, 1, 7},
            {21, 3, 3, 0, 2, 2, 40},
            {22, 3, 1, 0, 4, 1, (byte) 0xff, (byte) 0xff, (byte) 0xff},
            {22, 3, 1, 0, 0},
        };
        for (byte[] bytes : hostile) {
            End server = new End(server(good).serverEngine());
            assertThrows(
                    SSLException.class,
                    () -> {
                        for (int i = 0; i < 100; i++) {
                            server.memory.put(server.records.inputOffset(), bytes);
                            server.records.received(bytes.length);
                            server.isDone();
                        }
                    },
                    java.util.Arrays.toString(bytes));
        }
        // a part of a record is waited for
        End server = new End(server(good).serverEngine());
        server.memory.put(0, new byte[] {22, 3, 1, 1, 0, 1});
        server.records.received(6);
        assertTrue(!server.isDone());
    }

    @Test
    void aRecordThatWasChangedIsRefused() throws Exception {
        End client = new End(client(good).clientEngine("localhost", 1));
        End server = new End(server(good).serverEngine());
        handshake(client, server);
        client.records.seal(ByteBuffer.wrap(new byte[100]));
        client.pass(server);
        int last = server.records.inputOffset() - 1;
        server.memory.put(last, (byte) (server.memory.get(last) + 1));
        assertThrows(SSLException.class, () -> server.records.open(ByteBuffer.allocate(2 * TlsRecords.MAX_RECORD)));
    }
}
