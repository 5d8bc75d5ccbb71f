package org.blktap.client.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.Random;
import javax.net.ssl.SSLEngine;
import org.blktap.api.nbd.Nbd;
import org.blktap.tls.Credentials;
import org.blktap.tls.TlsRecords;
import org.blktap.tls.TlsRole;
import org.blktap.tls.testkit.TestCertificates;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What servers may do when a client asks for TLS: grant it, refuse it, and deceive. */
@Timeout(120)
class TlsServersTest {
    static {
        // keys change after each MiB, where Java would after 128 GiB; read when the first engine is made
        Security.setProperty("jdk.tls.keyLimits", "AES/GCM/NoPadding KeyUpdate 2^20");
    }

    private static final long REPLY = 0x3e889045565a9L;

    @TempDir
    static Path directory;

    private static TestCertificates certificates;

    @BeforeAll
    static void sign() throws Exception {
        certificates = TestCertificates.usual(directory.resolve("pki"));
    }

    /** A server, after its greeting and the client's STARTTLS. */
    private interface Script {
        void run(DataInputStream in, DataOutputStream out) throws IOException;
    }

    private static void reply(DataOutputStream out, int option, int type, byte[] data) throws IOException {
        out.writeLong(REPLY);
        out.writeInt(option);
        out.writeInt(type);
        out.writeInt(data.length);
        out.write(data);
    }

    private static Server of(int port, TestCertificates client, String host) throws Exception {
        return new Server(
                new NbdUri(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
                        "x",
                        new TlsParameters(client.directory(), host, port)),
                Credentials.read(client.directory(), TlsRole.CLIENT));
    }

    /** Connects to a server that does as a script says; returns what the client reports, or null if it is content. */
    private static String report(TestCertificates client, String host, Script script) throws Exception {
        try (ServerSocket listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Thread thread = new Thread(() -> {
                try (Socket socket = listening.accept()) {
                    DataInputStream in = new DataInputStream(socket.getInputStream());
                    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
                    out.writeLong(Nbd.INIT_PASSWD);
                    out.writeLong(Nbd.IHAVEOPT);
                    out.writeShort(3);
                    in.readInt();
                    assertEquals(Nbd.IHAVEOPT, in.readLong());
                    assertEquals(Nbd.OPT_STARTTLS, in.readInt());
                    assertEquals(0, in.readInt());
                    script.run(in, out);
                    socket.shutdownOutput();
                    in.transferTo(java.io.OutputStream.nullOutputStream());
                } catch (IOException e) {
                    // the client has gone
                }
            });
            thread.start();
            try (ServerConnection connection = new ServerConnection(of(listening.getLocalPort(), client, host))) {
                assertTrue(connection.tlsSession().startsWith("TLSv1.3"));
                byte[] data = new byte[3 << 20];
                ByteBuffer into = ByteBuffer.allocate(data.length);
                new Random(5).nextBytes(data);
                assertEquals(0, connection.write(0, ByteBuffer.wrap(data)));
                assertEquals(0, connection.read(0, into));
                assertArrayEquals(data, into.array());
                return null;
            } catch (IOException e) {
                return e.getMessage();
            } finally {
                thread.join();
            }
        }
    }

    /** The server's side of TLS, on streams. */
    private static final class Secure {
        private final DataInputStream in;
        private final DataOutputStream out;
        private final ByteBuffer memory = ByteBuffer.allocate(TlsRecords.MEMORY_BYTES);
        private final TlsRecords records;
        private final ByteBuffer plain =
                ByteBuffer.allocate(4 * TlsRecords.MAX_RECORD).limit(0);

        Secure(DataInputStream in, DataOutputStream out, TestCertificates of) throws IOException {
            this.in = in;
            this.out = out;
            SSLEngine engine;
            try {
                engine = Credentials.read(of.directory(), TlsRole.SERVER).serverEngine();
            } catch (org.blktap.api.disk.DiskException e) {
                throw new IOException(e);
            }
            records = new TlsRecords(engine, memory);
            reply(out, Nbd.OPT_STARTTLS, Nbd.REP_ACK, new byte[0]);
            while (true) {
                TlsRecords.Need need = records.handshake();
                flush();
                if (need == TlsRecords.Need.NOTHING) {
                    return;
                }
                if (need == TlsRecords.Need.TASKS) {
                    records.runTasks();
                } else {
                    fill();
                }
            }
        }

        private void flush() throws IOException {
            out.write(memory.array(), records.outputOffset(), records.outputBytes());
            records.sent(records.outputBytes());
        }

        private void fill() throws IOException {
            int room = records.inputRoom();
            int n = in.read(memory.array(), records.inputOffset(), room);
            if (n < 0) {
                throw new IOException("the client has gone");
            }
            records.received(n);
        }

        byte[] read(int bytes) throws IOException {
            ByteBuffer found = ByteBuffer.allocate(bytes);
            while (found.hasRemaining()) {
                while (!plain.hasRemaining()) {
                    records.open(plain.clear());
                    if (!plain.flip().hasRemaining()) {
                        fill();
                    }
                }
                int n = Math.min(plain.remaining(), found.remaining());
                found.put(plain.slice().limit(n));
                plain.position(plain.position() + n);
            }
            return found.array();
        }

        void write(byte[] bytes) throws IOException {
            ByteBuffer left = ByteBuffer.wrap(bytes);
            while (left.hasRemaining()) {
                records.seal(left);
                flush();
            }
        }

        /** Refuses all options but GO and EXPORT_NAME, and keeps one write for one read. */
        void serve() throws IOException {
            int option;
            byte[] data;
            do {
                ByteBuffer header = ByteBuffer.wrap(read(Nbd.OPTION_HEADER_BYTES));
                option = header.getInt(8);
                data = read(header.getInt(12));
                if (option != Nbd.OPT_EXPORT_NAME) {
                    write(ByteBuffer.allocate(20)
                            .putLong(REPLY)
                            .putInt(option)
                            .putInt(Nbd.REP_ERR_UNSUP)
                            .putInt(0)
                            .array());
                }
            } while (option != Nbd.OPT_EXPORT_NAME);
            assertEquals("x", new String(data));
            write(ByteBuffer.allocate(10)
                    .putLong(4 << 20)
                    .putShort((short) Nbd.FLAG_HAS_FLAGS)
                    .array());
            ByteBuffer request = ByteBuffer.wrap(read(Nbd.REQUEST_BYTES));
            byte[] kept = read(request.getInt(Nbd.REQUEST_BYTES - 4));
            answer(request.getLong(8), new byte[0]);
            answer(ByteBuffer.wrap(read(Nbd.REQUEST_BYTES)).getLong(8), kept);
        }

        private void answer(long cookie, byte[] data) throws IOException {
            write(ByteBuffer.allocate(Nbd.SIMPLE_REPLY_BYTES + data.length)
                    .putInt(Nbd.SIMPLE_REPLY_MAGIC)
                    .putInt(0)
                    .putLong(cookie)
                    .put(data)
                    .array());
        }
    }

    @Test
    void dataIsWhatItWas() throws Exception {
        for (String host : new String[] {"localhost", "127.0.0.1", "::1"}) {
            assertEquals(null, report(certificates, host, (in, out) -> new Secure(in, out, certificates).serve()));
        }
    }

    @Test
    void aServerThatRefusesIsNotUsed() throws Exception {
        for (int type : new int[] {Nbd.REP_ERR_UNSUP, Nbd.REP_ERR_POLICY}) {
            String said = report(certificates, "localhost", (in, out) -> {
                reply(out, Nbd.OPT_STARTTLS, type, new byte[0]);
                assertEquals(-1, in.read(), "the client goes on without TLS");
            });
            assertTrue(said.contains("does not start TLS"), said);
        }
    }

    @Test
    void plaintextBehindTheAnswerIsNotUsed() throws Exception {
        String said = report(certificates, "localhost", (in, out) -> {
            reply(out, Nbd.OPT_STARTTLS, Nbd.REP_ACK, new byte[0]);
            reply(out, Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK, new byte[0]);
        });
        assertTrue(said.contains("no TLS record"), said);
        said = report(
                certificates, "localhost", (in, out) -> reply(out, Nbd.OPT_STARTTLS, Nbd.REP_SERVER, new byte[4]));
        assertTrue(said.contains("answers STARTTLS"), said);
    }

    @Test
    void serversProveWhoTheyAre() throws Exception {
        TestCertificates strange = TestCertificates.usual(directory.resolve("strange"));
        String said = report(certificates, "localhost", (in, out) -> new Secure(in, out, strange).serve());
        assertTrue(said.contains("TLS handshake has failed"), said);
        said = report(certificates, "other.example", (in, out) -> new Secure(in, out, certificates).serve());
        assertTrue(said.contains("other.example"), said);
        TestCertificates late = certificates.copyTo(directory.resolve("late"));
        late.sign("server", "/CN=localhost", TestCertificates.LOCAL, -1);
        said = report(certificates, "localhost", (in, out) -> new Secure(in, out, late).serve());
        assertTrue(said.contains("validity") || said.contains("expired"), said);
        TestCertificates role = certificates.copyTo(directory.resolve("role"));
        Files.copy(
                role.directory().resolve("client-cert.pem"),
                role.directory().resolve("server-cert.pem"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        Files.copy(
                role.directory().resolve("client-key.pem"),
                role.directory().resolve("server-key.pem"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        said = report(certificates, "localhost", (in, out) -> new Secure(in, out, role).serve());
        assertTrue(said.contains("localhost"), said);
    }

    @Test
    void urisWithTls() throws Exception {
        NbdUri uri = NbdUri.parse("nbds://[::1]:99/a?tls-certificates=/my%20keys&tls-hostname=h");
        assertEquals(new TlsParameters(Path.of("/my keys"), "h", 99), uri.tls());
        assertEquals("127.0.0.1", NbdUri.parse("nbds://127.0.0.1/a").tls().host());
        assertEquals("localhost", NbdUri.parse("nbds+unix:///a?socket=/s").tls().host());
        for (String bad : new String[] {
            "nbd://h/a?tls-certificates=/x",
            "nbds://h/a?tls-verify-peer=false",
            "nbds://h/a?tls-psk-file=/x",
            "nbds:///a",
            "nbdss://h/a"
        }) {
            assertThrows(org.blktap.api.disk.DiskException.class, () -> NbdUri.parse(bad), bad);
        }
    }
}
